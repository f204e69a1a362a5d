package org.edgeswap.core

import kotlin.math.exp
import kotlin.math.ln

/** Detector score from which a place is looked at closely; as in edge/faces/detect.py. */
private const val DOUBTED = 0.2

/** Runs one model: a picture's tensor in, outputs by name out. */
fun interface Runner {
    fun run(input: FloatArray, shape: LongArray): Map<String, FloatArray>
}

/** Finds faces with the bundle's detector (decoder "points") and places landmarks with its landmarker. */
class Detection(private val card: Card, private val runner: Runner, private val landmarker: Card?, private val placer: Runner?) {
    init {
        if (card.decoder != "points") throw FormException("this app reads detectors of the kind 'points', not '${card.decoder}'")
    }

    private val judge = landmarker?.takeIf { it.face.isNotEmpty() && placer != null }

    /** Score from which a face counts: the detector's own, or that of a landmarker that has a say in it. */
    private val threshold = judge?.judged ?: card.threshold

    /** The detector's score from which a face may reach it. */
    private val least = if (judge == null) threshold else minOf(threshold, DOUBTED)

    /** The faces of a frame, largest first; the frame is looked at once, its longer side [longest] pixels. */
    fun find(frame: Frame, longest: Int = 640): List<Face> {
        val fixed = card.input!!.shape.drop(2)
        val scale = if (fixed[0] > 0) minOf(1.0, fixed[1] / frame.width.toDouble(), fixed[0] / frame.height.toDouble())
        else minOf(1.0, longest / maxOf(frame.width, frame.height).toDouble())
        val width = maxOf(1, Math.rint(frame.width * scale).toInt())
        val height = maxOf(1, Math.rint(frame.height * scale).toInt())
        fun padded(side: Int, wanted: Int) = if (wanted > 0) wanted else (maxOf(side, 96) + 31) / 32 * 32
        val canvas = Frame(padded(width, fixed[1]), padded(height, fixed[0])) // black to the right and below
        shrink(frame, canvas, width, height)
        val outputs = runner.run(Crops.tensor(canvas, card.input), longArrayOf(1, 3, canvas.height.toLong(), canvas.width.toLong()))
        val found = card.strides.flatMap { decode(outputs, it, canvas) }
        val kept = ArrayList<Face>()
        for (face in found.sortedByDescending { it.score }) if (kept.none { overlap(it, face) > card.nms }) kept.add(face)
        val (sx, sy) = Pair(frame.width / width.toDouble(), frame.height / height.toDouble())
        return kept.map { face ->
            val points = DoubleArray(10) { face.landmarks[it] * (if (it % 2 == 0) sx else sy) }
            placed(frame, Face(face.x * sx, face.y * sy, face.width * sx, face.height * sy, face.score, points))
        }.filter { it.score >= threshold }.sortedByDescending { it.width * it.height }
    }

    private fun decode(outputs: Map<String, FloatArray>, stride: Int, canvas: Frame): List<Face> {
        val columns = canvas.width / stride
        val scores = outputs["score_$stride"]
        val boxes = outputs["bbox_$stride"]
        val points = outputs["kps_$stride"]
        val cells = columns * (canvas.height / stride)
        if (scores?.size != cells || boxes?.size != 4 * cells || points?.size != 10 * cells) throw FormException("the detector does not fit its card")
        return scores.indices.filter { scores[it] >= least }.map { at ->
            val (column, row) = Pair(at % columns, at / columns)
            val width = exp(minOf(boxes[4 * at + 2], 8f).toDouble()) * stride
            val height = exp(minOf(boxes[4 * at + 3], 8f).toDouble()) * stride
            val marks = DoubleArray(10) { k -> ((if (k % 2 == 0) column else row) + points[10 * at + k]) * stride.toDouble() }
            Face((column + boxes[4 * at]) * stride - width / 2, (row + boxes[4 * at + 1]) * stride - height / 2, width, height, scores[at].toDouble(), marks)
        }
    }

    private fun placed(frame: Frame, face: Face): Face {
        if (landmarker?.template == null || placer == null) return face
        var (marks, score) = Pair(face.landmarks, face.score)
        repeat(landmarker.looks) {
            val way = landmarker.align(marks)
            val crop = Crops.cut(frame, way, landmarker.size)
            val side = landmarker.size.toLong()
            val outputs = placer.run(Crops.tensor(crop, landmarker.input!!), longArrayOf(1, 3, side, side))
            val given = outputs[landmarker.output]
            if (given?.size != 10 || !given.all { it.isFinite() }) return face
            if (landmarker.face.isNotEmpty()) {
                val known = outputs[landmarker.face]?.singleOrNull()?.takeIf { it.isFinite() } ?: throw FormException("the landmarker does not fit its card")
                score = 1 / (1 + exp(-(logOdds(face.score, 0.999) + logOdds(known.toDouble(), 0.95)) / 2))
            }
            val back = way.inverse()
            marks = DoubleArray(10) { k ->
                // In sides of the crop, as the landmarker was trained.
                val (x, y) = Pair(given[k / 2 * 2] * side.toDouble(), given[k / 2 * 2 + 1] * side.toDouble())
                if (k % 2 == 0) back.x(x, y) else back.y(x, y)
            }
        }
        return Face(face.x, face.y, face.width, face.height, score, marks)
    }

    /** As `joint` in edge/faces/landmarks.py: how sure each may be at the most. */
    private fun logOdds(share: Double, most: Double) = share.coerceIn(1 - most, most).let { ln(it / (1 - it)) }

    private fun shrink(frame: Frame, canvas: Frame, width: Int, height: Int) {
        for (y in 0 until height) for (x in 0 until width) {
            val (x0, y0) = Pair(x * frame.width / width, y * frame.height / height)
            val (x1, y1) = Pair(maxOf(x0 + 1, (x + 1) * frame.width / width), maxOf(y0 + 1, (y + 1) * frame.height / height))
            for (channel in 0..2) {
                var sum = 0
                for (row in y0 until y1) for (column in x0 until x1) sum += frame.at(column, row, channel)
                canvas.put(x, y, channel, sum.toDouble() / ((x1 - x0) * (y1 - y0)))
            }
        }
    }

    private fun overlap(a: Face, b: Face): Double {
        val across = minOf(a.x + a.width, b.x + b.width) - maxOf(a.x, b.x)
        val down = minOf(a.y + a.height, b.y + b.height) - maxOf(a.y, b.y)
        val both = maxOf(across, 0.0) * maxOf(down, 0.0)
        return both / (a.width * a.height + b.width * b.height - both)
    }
}
