package org.edgeswap.core

import java.security.MessageDigest
import kotlin.math.log10

/** One crop of nobody, and what the bundle's models gave for it where it was built (golden-1). */
class GoldenVector(
    val name: String, val crop: String, val sketches: Map<String, IntArray>, val hashes: Map<String, String>,
    /** What the untouched float model gave. */
    val floatSketch: IntArray,
)

/** What a model gave for a vector: dB to what it gave where it was built, and to the float model there. */
class Compared(val psnr: Double, val same: Boolean, val psnrFloat: Double, val psnrFloatBuilt: Double)

/**
 * Golden vectors: whether a model gives on this phone what it gave where it was built. What it
 * gives is compared and thrown away: it is a swapped face, and never saved, shown or shared.
 */
object Golden {
    const val PATH = "golden/vectors.json"
    private const val BUCKETS = 1024
    private const val MOST = 16

    fun parse(data: ByteArray): List<GoldenVector> {
        val top = Fields(Json.parseObject(data))
        top.choice("schema", listOf("edge-swap/golden-1"))
        if (top.whole("buckets") != BUCKETS.toLong()) throw FormException("'buckets' is not $BUCKETS")
        val vectors = top.list("vectors")
        if (vectors.size !in 1..MOST) throw FormException("'vectors' must hold 1 to $MOST")
        return vectors.map { each ->
            @Suppress("UNCHECKED_CAST")
            val vector = each as? Map<String, Any?> ?: throw FormException("'vectors' holds something else than objects")
            @Suppress("UNCHECKED_CAST")
            val models = vector["models"] as? Map<String, Map<String, Any?>> ?: throw FormException("a vector without 'models'")
            val fields = Fields(vector)
            GoldenVector(
                fields.text("name"), fields.text("crop"), models.mapValues { (_, given) -> sums(Fields(given)) },
                models.mapValues { (_, given) -> Fields(given).hex("sha256", 64) }, sums(fields.fields("float")),
            )
        }
    }

    /** With which kernels, or in which engine, each card's model was run where it was built. */
    fun kernels(data: ByteArray): Map<String, String> {
        val given = Json.parseObject(data)["kernels"] as? Map<*, *> ?: throw FormException("'kernels' is no object")
        return given.entries.associate { (name, text) -> name.toString() to text.toString() }
    }

    private fun sums(given: Fields): IntArray {
        val sums = given.list("sums").map { (it as? Long)?.toInt() ?: throw FormException("'sums' holds no whole numbers") }
        if (sums.size != BUCKETS) throw FormException("'sums' must hold $BUCKETS numbers")
        return sums.toIntArray()
    }

    /** Compares what a model gave for a crop with a vector. */
    fun compare(given: FloatArray, card: Card, vector: GoldenVector): Compared {
        val values = rgb(Crops.picture(given, card))
        val wanted = vector.sketches[card.name] ?: throw FormException("no vector of the card '${card.name}'")
        val sums = sketch(values)
        return Compared(
            psnr(sums, wanted, values.size), sha256(values) == vector.hashes[card.name],
            psnr(sums, vector.floatSketch, values.size), psnr(wanted, vector.floatSketch, values.size),
        )
    }

    /** The worst PSNR, dB, with which a model still holds. */
    fun bar(card: Card): Double = if (card.precision == "fp32") 45.0 else 30.0

    /** A crop, pixels as Android has them (0xAARRGGBB), as what a model is fed. */
    fun tensor(pixels: IntArray, card: Card): FloatArray {
        val picture = Frame(card.size, card.size)
        if (pixels.size != card.size * card.size) throw FormException("a golden crop has another size than its model takes")
        for (at in pixels.indices) for (channel in 0..2) picture.data[3 * at + channel] = (pixels[at] shr (8 * channel)).toByte()
        return Crops.tensor(picture, card.input!!)
    }

    internal fun sketch(values: ByteArray): IntArray {
        val sums = IntArray(BUCKETS)
        for (i in values.indices) {
            var h = i * 0x9E3779B1.toInt()
            h = (h xor (h ushr 16)) * 0x85EBCA6B.toInt()
            h = (h xor (h ushr 13)) * 0xC2B2AE35.toInt()
            h = h xor (h ushr 16)
            val value = values[i].toInt() and 255
            sums[h and (BUCKETS - 1)] += if (h < 0) -value else value
        }
        return sums
    }

    internal fun psnr(a: IntArray, b: IntArray, count: Int): Double {
        val distance = a.indices.sumOf { (a[it] - b[it]).toDouble() * (a[it] - b[it]) }
        return if (distance == 0.0) 99.0 else 10 * log10(255.0 * 255.0 * count / distance)
    }

    private fun rgb(picture: Frame) = ByteArray(picture.data.size) { picture.data[it / 3 * 3 + 2 - it % 3] }

    /** The check of golden-1: the SHA-256 of the sketch of a picture that everyone can make. */
    internal fun check(): String {
        val sums = sketch(ByteArray(8 * 8 * 3) { (it % 251).toByte() })
        val bytes = ByteArray(4 * BUCKETS) { (sums[it / 4] shr (8 * (it % 4))).toByte() }
        return hexOf(MessageDigest.getInstance("SHA-256").digest(bytes))
    }
}
