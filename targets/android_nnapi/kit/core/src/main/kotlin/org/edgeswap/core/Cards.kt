package org.edgeswap.core

/** A tensor that a picture becomes: (value * scale - mean) / std, in the card's channel order. */
class TensorSpec(val name: String, val shape: List<Int>, val rgb: Boolean, val scale: Double, val mean: DoubleArray, val std: DoubleArray)

/** What the kit reads of a card; the rest of it is checked by its hash and for people. */
class Card(
    val name: String, val kind: String, val file: String, val sha256: String, val precision: String,
    val licence: String, val commercial: String, val input: TensorSpec?, val template: DoubleArray?,
    val size: Int, val fit: String, val offset: Double, val output: String, val mask: String, val outputRgb: Boolean,
    val black: Double, val white: Double, val composited: Boolean,
    val exactMask: Boolean, val baked: Boolean,
    val identity: String, val strides: List<Int>, val threshold: Double, val nms: Double,
    val decoder: String, val landmarker: String, val looks: Int, val face: String, val judged: Double,
) {
    /** Frame pixels to those of this card's crop, as `align_to` in edge/faces/align.py. */
    fun align(landmarks: DoubleArray): Similarity {
        val way = Similarity.of(landmarks, template!!, size)
        return Similarity(way.a, way.b, way.shiftX + offset, way.shiftY + offset)
    }

    companion object {
        fun parse(data: ByteArray): Card {
            val values = Toml.parse(data)
            val top = Fields(values)
            val licence = top.fields("licence")
            val crop = if (top.has("crop")) top.fields("crop") else null
            val output = if (top.has("output")) top.fields("output") else null
            val source = if (top.has("source")) top.fields("source") else null
            val detector = if (top.has("detector")) top.fields("detector") else null
            val range = if (output?.has("range") == true) output.numbers("range") else doubleArrayOf(0.0, 1.0)
            return Card(
                name = top.text("name"), kind = top.text("kind"), file = top.text("file"),
                sha256 = top.hex("sha256", 64),
                precision = if (top.has("precision")) top.text("precision") else "fp32",
                licence = licence.text("name"), commercial = licence.text("commercial"),
                input = if (top.has("input")) tensor(top.fields("input")) else null,
                template = crop?.let { Spec.TEMPLATES[it.text("template")] ?: throw FormException("a template that is not known") },
                size = crop?.whole("size", 1)?.toInt() ?: 0,
                fit = if (crop?.has("fit") == true) crop.text("fit") else "similarity",
                offset = if (crop?.has("offset") == true) crop.number("offset") else 0.0,
                output = output?.text("name").orEmpty(),
                mask = if (output?.has("mask") == true) output.text("mask") else "",
                outputRgb = output?.has("channels") != true || output.text("channels") == "RGB",
                black = range[0], white = range[1],
                composited = output?.has("composited") == true && output.flag("composited"),
                exactMask = output?.has("exact_mask") == true && output.flag("exact_mask"),
                baked = source?.text("kind") == "baked",
                identity = if (source?.has("identity") == true) source.text("identity") else "",
                strides = detector?.list("strides")?.map { (it as Long).toInt() }.orEmpty(),
                threshold = detector?.number("score_threshold") ?: 0.0,
                nms = detector?.number("nms_iou") ?: 0.0,
                decoder = detector?.text("decoder").orEmpty(),
                landmarker = if (detector?.has("landmarker") == true) detector.text("landmarker") else "",
                looks = if (output?.has("looks") == true) output.whole("looks", 1).toInt() else 1,
                face = if (output?.has("face") == true) output.text("face") else "",
                judged = if (output?.has("threshold") == true) output.number("threshold") else 0.5,
            )
        }

        private fun tensor(fields: Fields) = TensorSpec(
            fields.text("name"), fields.list("shape").map { (it as Long).toInt() }, fields.text("channels") == "RGB",
            fields.number("scale"), fields.numbers("mean"), fields.numbers("std"),
        )
    }
}
