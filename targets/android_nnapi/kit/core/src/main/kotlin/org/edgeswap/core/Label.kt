package org.edgeswap.core

import kotlin.math.PI
import kotlin.math.ceil
import kotlin.math.cos
import kotlin.math.sin

/** The visible label as pixels: frame' = frame * keep / 255 + ink (assertions-1, section 2). */
class Stamp private constructor(val width: Int, val height: Int, val keep: IntArray, val ink: IntArray, val inkRegion: Region, val tall: Int) {
    companion object {
        private class Glyph(val advance: Double, val contours: List<DoubleArray>)

        private val glyphs = Spec.GLYPHS.mapValues { (_, text) ->
            val (advance, contours) = text.split("|")
            Glyph(advance.toDouble() / Spec.UNITS_PER_EM, contours.split(";").filter { it.isNotBlank() }.map { line ->
                line.split(" ").map { it.toDouble() / Spec.UNITS_PER_EM }.toDoubleArray()
            })
        }
        private val made = HashMap<Pair<String, Int>, Stamp>()

        /** The label in a language (zh, en, both) on a plate of [height] pixels, an even number. */
        @Synchronized
        fun of(language: String, height: Int): Stamp = made.getOrPut(language to height) { draw(Spec.LABEL_TEXTS.getValue(language), height) }

        private fun draw(text: String, height: Int): Stamp {
            var pen = 0.0
            val shapes = text.map { char ->
                val glyph = glyphs.getValue(char.toString())
                val moved = glyph.contours.map { c -> DoubleArray(c.size) { if (it % 2 == 0) c[it] + pen else c[it] } }
                pen += glyph.advance
                (char in Spec.TALL) to moved
            }
            val points = shapes.flatMap { it.second }
            val left = points.minOf { c -> c.filterIndexed { at, _ -> at % 2 == 0 }.min() }
            val right = points.maxOf { c -> c.filterIndexed { at, _ -> at % 2 == 0 }.max() }
            val bottom = points.minOf { c -> c.filterIndexed { at, _ -> at % 2 == 1 }.min() }
            val top = points.maxOf { c -> c.filterIndexed { at, _ -> at % 2 == 1 }.max() }
            val em = height / (top - bottom + 2 * Spec.PADDING)
            val width = 2 * ceil((right - left + 2 * Spec.PADDING) * em / 2).toInt()
            val shiftX = width / em / 2 - (left + right) / 2
            val shiftY = top + Spec.PADDING
            val ink = IntArray(width * height)
            var lowest = height
            for ((tall, contours) in shapes) {
                val placed = contours.map { c -> DoubleArray(c.size) { if (it % 2 == 0) (c[it] + shiftX) * em else (shiftY - c[it]) * em } }
                val drawn = fill(placed, width, height)
                for (at in ink.indices) ink[at] = maxOf(ink[at], drawn[at])
                if (tall) lowest = minOf(lowest, (0 until height).count { row -> (0 until width).any { drawn[row * width + it] >= Spec.FULL_INK } })
            }
            val plate = fill(listOf(rounded(width.toDouble(), height.toDouble(), Spec.CORNER_RADIUS * em)), width, height)
            val keep = IntArray(ink.size) { Math.rint((255 - plate[it] * Spec.PLATE_OPACITY) * (1 - ink[it] / 255.0)).toInt() }
            val rows = (0 until height).filter { row -> (0 until width).any { ink[row * width + it] >= Spec.FULL_INK } }
            val columns = (0 until width).filter { column -> (0 until height).any { ink[it * width + column] >= Spec.FULL_INK } }
            val region = if (rows.isEmpty()) Region(0, 0, 0, 0)
            else Region(columns.first(), rows.first(), columns.last() - columns.first() + 1, rows.last() - rows.first() + 1)
            return Stamp(width, height, keep, ink, region, lowest)
        }

        /** Coverage, 0 to 255, of closed contours by the even-odd rule: so many samples per pixel. */
        private fun fill(contours: List<DoubleArray>, width: Int, height: Int): IntArray {
            val fine = Spec.SAMPLING
            val counts = IntArray(width * height)
            for (line in 0 until height * fine) {
                val y = (line + 0.5) / fine
                val crossings = ArrayList<Double>()
                for (c in contours) for (k in c.indices step 2) {
                    val next = (k + 2) % c.size
                    val (y0, y1) = Pair(c[k + 1], c[next + 1])
                    if ((y0 <= y) != (y1 <= y)) crossings.add(c[k] + (y - y0) / (y1 - y0) * (c[next] - c[k]))
                }
                crossings.sort()
                for (pair in 0 until crossings.size - 1 step 2) {
                    val from = maxOf(0, ceil(crossings[pair] * fine - 0.5).toInt())
                    val to = minOf(width * fine - 1, ceil(crossings[pair + 1] * fine - 0.5).toInt() - 1)
                    for (sample in from..to) counts[line / fine * width + sample / fine]++
                }
            }
            return IntArray(counts.size) { Math.rint(counts[it] * 255.0 / (fine * fine)).toInt() }
        }

        private fun rounded(width: Double, height: Double, radius: Double): DoubleArray {
            val middles = listOf(width - radius to height - radius, radius to height - radius, radius to radius, width - radius to radius)
            return middles.flatMapIndexed { turn, (x, y) ->
                (0..15).flatMap { step -> (PI / 2 * (turn + step / 15.0)).let { listOf(x + radius * cos(it), y + radius * sin(it)) } }
            }.toDoubleArray()
        }
    }
}

/** Where the label of frames of one size goes. */
class LabelPlace internal constructor(val text: String, val language: String, val corner: String, val region: Region, val ink: Region)

object Label {
    /** The corner where the label covers least of the faces; a video is planned once. */
    fun plan(width: Int, height: Int, faces: List<Region>, language: String): LabelPlace {
        val text = Spec.LABEL_TEXTS[language] ?: throw FormException("no label in '$language'; known: ${Spec.LABEL_TEXTS.keys.joinToString(", ")}")
        val shorter = minOf(width, height)
        val small = "a frame of ${width}x$height is too small for a legible label"
        if (shorter < Spec.MIN_INK) throw FormException(small)
        val plate = plateHeight(language, shorter)
        val stamp = Stamp.of(language, plate)
        val margin = maxOf(2, Math.rint(shorter * Spec.MARGIN_SHARE).toInt())
        val fits = stamp.width + 2 * margin + 2 <= width && plate + 2 * margin + 2 <= height
        if (!fits || stamp.width.toLong() * plate > width.toLong() * height * Spec.MAX_COVER) throw FormException(small)
        // Even places: with chroma at half resolution the plate's edge then falls between samples.
        val (right, bottom, near) = Triple((width - margin - stamp.width) / 2 * 2, (height - margin - plate) / 2 * 2, (margin + 1) / 2 * 2)
        return Spec.CORNERS.map { corner ->
            val x = if (corner.endsWith("right")) right else near
            val y = if (corner.startsWith("bottom")) bottom else near
            val ink = stamp.inkRegion
            LabelPlace(text, language, corner, Region(x, y, stamp.width, plate), Region(x + ink.x, y + ink.y, ink.width, ink.height))
        }.minBy { place -> faces.sumOf { place.region.overlap(it) } }
    }

    /** The least even plate height whose ink is high enough. */
    private fun plateHeight(language: String, shorter: Int): Int {
        val wanted = maxOf(Spec.MIN_INK, (shorter * Spec.INK_PERCENT + 99) / 100)
        val share = Stamp.of(language, 160).tall / 160.0
        var height = maxOf(4, 2 * (wanted / share / 2).toInt())
        while (Stamp.of(language, height).tall < wanted) height += 2
        while (height > 4 && Stamp.of(language, height - 2).tall >= wanted) height -= 2
        return height
    }

    internal fun draw(frame: Frame, place: LabelPlace) {
        val stamp = Stamp.of(place.language, place.region.height)
        for (y in 0 until stamp.height) for (x in 0 until stamp.width) for (channel in 0..2) {
            val kept = frame.at(place.region.x + x, place.region.y + y, channel) * stamp.keep[y * stamp.width + x] / 255.0
            frame.put(place.region.x + x, place.region.y + y, channel, Math.rint(kept) + stamp.ink[y * stamp.width + x])
        }
    }

    /** Whether a picture shows the label where it should be: light ink on a dark plate. */
    fun isThere(picture: Frame, place: LabelPlace): Boolean {
        val region = place.region
        if (region.x + region.width > picture.width || region.y + region.height > picture.height) return false
        val stamp = Stamp.of(place.language, region.height)
        fun mean(wanted: (Int) -> Boolean): Double {
            val found = stamp.ink.indices.filter(wanted).map { at ->
                (0..2).sumOf { picture.at(region.x + at % stamp.width, region.y + at / stamp.width, it) } / 3.0
            }
            return if (found.isEmpty()) 0.0 else found.average()
        }
        val ink = mean { stamp.ink[it] == 255 }
        val plate = mean { stamp.ink[it] == 0 && stamp.keep[it] < 70 }
        return ink > 190 && ink - plate > 90
    }
}
