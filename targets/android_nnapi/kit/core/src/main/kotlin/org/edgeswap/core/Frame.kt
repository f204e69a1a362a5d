package org.edgeswap.core

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.hypot

/** 8-bit pixels, three channels in the order BGR. Internal ones have no label: they never leave. */
class Frame(val width: Int, val height: Int, val data: ByteArray = ByteArray(3 * width * height)) {
    init { require(data.size == 3 * width * height) { "a frame of $width x $height has other pixels" } }

    fun at(x: Int, y: Int, channel: Int) = data[3 * (y * width + x) + channel].toInt() and 255

    fun put(x: Int, y: Int, channel: Int, value: Double) {
        data[3 * (y * width + x) + channel] = Math.rint(value).toInt().coerceIn(0, 255).toByte()
    }

    fun copy() = Frame(width, height, data.copyOf())

    /** The channel at a place between pixels; outside, the edge is repeated. */
    fun between(x: Double, y: Double, channel: Int): Double {
        val column = floor(x).toInt()
        val row = floor(y).toInt()
        fun at2(cx: Int, cy: Int) = at(cx.coerceIn(0, width - 1), cy.coerceIn(0, height - 1), channel)
        val across = x - column
        val down = y - row
        val top = at2(column, row) * (1 - across) + at2(column + 1, row) * across
        val bottom = at2(column, row + 1) * (1 - across) + at2(column + 1, row + 1) * across
        return top * (1 - down) + bottom * down
    }
}

class Region(val x: Int, val y: Int, val width: Int, val height: Int) {
    fun overlap(other: Region): Long {
        val across = minOf(x + width, other.x + other.width) - maxOf(x, other.x)
        val down = minOf(y + height, other.y + other.height) - maxOf(y, other.y)
        return maxOf(across, 0).toLong() * maxOf(down, 0)
    }
}

/** Frame pixels to crop pixels: x' = a x - b y + shiftX, y' = b x + a y + shiftY. */
class Similarity(val a: Double, val b: Double, val shiftX: Double, val shiftY: Double) {
    val scale = hypot(a, b)

    fun x(px: Double, py: Double) = a * px - b * py + shiftX
    fun y(px: Double, py: Double) = b * px + a * py + shiftY

    fun inverse(): Similarity {
        val area = a * a + b * b
        val (p, q) = Pair(a / area, -b / area)
        return Similarity(p, q, -(p * shiftX - q * shiftY), -(q * shiftX + p * shiftY))
    }

    companion object {
        /** Brings five points (x, y, x, y, ...) nearest to a template's, in a crop of [size] pixels. */
        fun of(points: DoubleArray, template: DoubleArray, size: Int): Similarity {
            val count = template.size / 2
            val (mx, my) = Pair((0 until count).sumOf { points[2 * it] } / count, (0 until count).sumOf { points[2 * it + 1] } / count)
            val (gx, gy) = Pair((0 until count).sumOf { template[2 * it] * size } / count, (0 until count).sumOf { template[2 * it + 1] * size } / count)
            var spread = 0.0
            var a = 0.0
            var b = 0.0
            for (k in 0 until count) {
                val (x, y) = Pair(points[2 * k] - mx, points[2 * k + 1] - my)
                val (u, v) = Pair(template[2 * k] * size - gx, template[2 * k + 1] * size - gy)
                spread += x * x + y * y
                a += x * u + y * v
                b += x * v - y * u
            }
            if (spread < 1e-6) throw FormException("landmarks fall together in one point: no face can be aligned to them")
            a /= spread
            b /= spread
            return Similarity(a, b, gx - a * mx + b * my, gy - b * mx - a * my)
        }
    }
}

/** What a detector found: box in frame pixels, score in 0 to 1, five landmarks as x, y, x, y. */
class Face(val x: Double, val y: Double, val width: Double, val height: Double, val score: Double, val landmarks: DoubleArray)

internal object Crops {
    /** Cuts out the square that a model sees; where it shrinks, pixels are averaged, none skipped. */
    fun cut(frame: Frame, way: Similarity, size: Int): Frame {
        val back = way.inverse()
        val fine = ceil(1 / way.scale).toInt().coerceIn(1, 16)
        val crop = Frame(size, size)
        for (row in 0 until size) for (column in 0 until size) for (channel in 0..2) {
            var sum = 0.0
            for (i in 0 until fine) for (j in 0 until fine) {
                val px = column + (j + 0.5) / fine - 0.5
                val py = row + (i + 0.5) / fine - 0.5
                sum += frame.between(back.x(px, py), back.y(px, py), channel)
            }
            crop.put(column, row, channel, sum / (fine * fine))
        }
        return crop
    }

    /** A picture as a tensor, float32 (1, 3, H, W). */
    fun tensor(picture: Frame, spec: TensorSpec): FloatArray {
        val area = picture.width * picture.height
        val out = FloatArray(3 * area)
        for (plane in 0..2) {
            val channel = if (spec.rgb) 2 - plane else plane
            val gain = spec.scale / spec.std[plane]
            val shift = spec.mean[plane] / spec.std[plane]
            for (at in 0 until area) out[plane * area + at] = ((picture.data[3 * at + channel].toInt() and 255) * gain - shift).toFloat()
        }
        return out
    }

    /** What a swapper gave, float32 (1, 3, S, S), as a picture. */
    fun picture(values: FloatArray, card: Card): Frame {
        val area = card.size * card.size
        fitting(values, 3 * area, "picture", card)
        val out = Frame(card.size, card.size)
        for (plane in 0..2) {
            val channel = if (card.outputRgb) 2 - plane else plane
            for (at in 0 until area) {
                val value = (values[plane * area + at] - card.black) * (255.0 / (card.white - card.black)) + 0.5
                out.data[3 * at + channel] = value.coerceIn(0.0, 255.0).toInt().toByte()
            }
        }
        return out
    }

    /** The mask that a swapper gave, float32 (1, 1, S, S): a number for each pixel, or none of it is used. */
    fun checked(mask: FloatArray, card: Card) = fitting(mask, card.size * card.size, "mask", card)

    private fun fitting(values: FloatArray, count: Int, what: String, card: Card): FloatArray {
        if (values.size != count || !values.all { it.isFinite() }) throw FormException("model ${card.name}: gives no $what that fits its card")
        return values
    }

    /** How much of the picture to use where: the model's mask, softened, 0 at the crop's border. */
    fun mask(values: FloatArray?, card: Card): FloatArray {
        val size = card.size
        val shown = FloatArray(size * size) { at ->
            val value = values?.get(at) ?: 1f
            (if (values != null && card.composited) value / Spec.MASK_SHOWS.toFloat() else value).coerceIn(0f, 1f)
        }
        val soft = blurred(shown, size, maxOf(0.5, size * Spec.FEATHER))
        return FloatArray(size * size) { (soft[it] * fade(it, size)).toFloat() }
    }

    /** What the crop's border leaves of a pixel: 0 on the outermost ones, rising smoothly to 1. */
    private fun fade(at: Int, size: Int): Double {
        val reach = maxOf(Spec.LEAST_FADE, size * Spec.FADE)
        fun along(place: Int): Double {
            val ramp = (minOf(place, size - 1 - place) / reach).coerceIn(0.0, 1.0)
            return ramp * ramp * (3 - 2 * ramp)
        }
        return along(at % size) * along(at / size)
    }

    private fun blurred(values: FloatArray, size: Int, sigma: Double): FloatArray {
        val reach = ceil(3 * sigma).toInt()
        val kernel = DoubleArray(2 * reach + 1) { exp(-(it - reach) * (it - reach) / (2 * sigma * sigma)) }
        val sum = kernel.sum()
        fun pass(from: FloatArray, step: Int, line: (Int) -> Int) = FloatArray(size * size) { at ->
            val place = line(at)
            var total = 0.0
            for (k in kernel.indices) {
                val other = mirrored(place + k - reach, size)
                total += kernel[k] * from[at + (other - place) * step]
            }
            (total / sum).toFloat()
        }
        return pass(pass(values, 1) { it % size }, size) { it / size }
    }

    private fun mirrored(at: Int, size: Int): Int {
        val inside = abs(at)
        return if (inside < size) inside else maxOf(0, 2 * size - 2 - inside)
    }

    /** Blends a crop into the frame, in place; returns the region that may have changed. */
    fun paste(frame: Frame, picture: Frame, mask: FloatArray, way: Similarity): Region =
        over(frame, mask, picture.width, way) { px, py, channel, share -> picture.between(px, py, channel) * share }

    /**
     * Composites a face with the frame's own pixels, in place: for a model whose mask is exact.
     *
     * The target in the model's few pixels is taken out of its picture again, and the frame's stand there instead.
     */
    fun layOver(frame: Frame, crop: Frame, picture: Frame, mask: FloatArray, way: Similarity): Region {
        val size = picture.width
        val part = FloatArray(size * size) { (mask[it].coerceIn(0f, 1f) * fade(it, size)).toFloat() }
        val faces = List(3) { channel ->
            FloatArray(size * size) { at ->
                fun level(of: Frame) = of.data[3 * at + channel].toInt() and 255
                (maxOf(0f, level(picture) - level(crop) * (1 - mask[at].coerceIn(0f, 1f))) * fade(at, size)).toFloat()
            }
        }
        return over(frame, part, size, way) { px, py, channel, _ -> share(faces[channel], size, px, py) }
    }

    /** Lays something over the frame where shares of it are kept back; returns the region that may have changed. */
    private fun over(frame: Frame, mask: FloatArray, size: Int, way: Similarity, laid: (Double, Double, Int, Double) -> Double): Region {
        val back = way.inverse()
        val ends = listOf(0.0 to 0.0, size - 1.0 to 0.0, 0.0 to size - 1.0, size - 1.0 to size - 1.0)
        val xs = ends.map { back.x(it.first, it.second) }
        val ys = ends.map { back.y(it.first, it.second) }
        val left = floor(xs.min()).toInt().coerceIn(0, frame.width)
        val right = (ceil(xs.max()).toInt() + 1).coerceIn(left, frame.width)
        val top = floor(ys.min()).toInt().coerceIn(0, frame.height)
        val bottom = (ceil(ys.max()).toInt() + 1).coerceIn(top, frame.height)
        for (y in top until bottom) for (x in left until right) {
            val px = way.x(x.toDouble(), y.toDouble())
            val py = way.y(x.toDouble(), y.toDouble())
            if (px < 0 || py < 0 || px > size - 1 || py > size - 1) continue
            val share = share(mask, size, px, py)
            if (share > 0) for (channel in 0..2) {
                frame.put(x, y, channel, frame.at(x, y, channel) * (1 - share) + laid(px, py, channel, share))
            }
        }
        return Region(left, top, right - left, bottom - top)
    }

    private fun share(mask: FloatArray, size: Int, x: Double, y: Double): Double {
        val (column, row) = Pair(minOf(x.toInt(), size - 2), minOf(y.toInt(), size - 2))
        val (across, down) = Pair(x - column, y - row)
        val at = row * size + column
        val top = mask[at] * (1 - across) + mask[at + 1] * across
        val bottom = mask[at + size] * (1 - across) + mask[at + size + 1] * across
        return top * (1 - down) + bottom * down
    }
}
