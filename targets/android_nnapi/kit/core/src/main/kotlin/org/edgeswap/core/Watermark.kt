package org.edgeswap.core

import java.security.MessageDigest
import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.sin
import kotlin.math.sqrt

/** The invisible watermark of a picture, org.edge-swap.watermark.1, as docs/watermark.md has it. */
object Watermark {
    private const val BLOCK = 8
    private const val C1 = (0.01 * 255) * (0.01 * 255)
    private const val C2 = (0.03 * 255) * (0.03 * 255)

    /** The id that an output's pixels carry: 16 hex digits. */
    fun identifier(outputId: String): String = sha256("${Spec.WATERMARK} $outputId".toByteArray()).take(16)

    internal fun draw(frame: Frame, identifier: String) {
        val pixel = maxOf(1, Math.rint(minOf(frame.width, frame.height).toDouble() / Spec.NOMINAL).toInt())
        val side = Spec.TILE * pixel
        val tile = tile(identifier, pixel)
        val waves = IntArray(side * side) { Math.rint(tile[it] * Spec.WAVE_UNITS).toInt().coerceIn(-255, 255) }
        val columns = (frame.width + BLOCK - 1) / BLOCK
        val rows = (frame.height + BLOCK - 1) / BLOCK
        val strengths = strengths(frame, columns, rows)
        val gains = IntArray(rows * columns) { Math.rint(strengths[it] * Spec.GAIN_UNITS).toInt().coerceIn(0, 255) }
        val unit = Spec.GAIN_UNITS * Spec.WAVE_UNITS.toDouble()
        for (y in 0 until frame.height) for (x in 0 until frame.width) {
            val gain = Math.rint(between(gains, columns, rows, (x + 0.5) / BLOCK - 0.5, (y + 0.5) / BLOCK - 0.5))
            val change = Math.rint(gain * waves[y % side * side + x % side] / unit)
            if (change != 0.0) for (channel in 0..2) frame.put(x, y, channel, frame.at(x, y, channel) + change)
        }
    }

    private fun between(values: IntArray, columns: Int, rows: Int, x: Double, y: Double): Double {
        val (column, row) = Pair(kotlin.math.floor(x).toInt(), kotlin.math.floor(y).toInt())
        fun at(cx: Int, cy: Int) = values[cy.coerceIn(0, rows - 1) * columns + cx.coerceIn(0, columns - 1)]
        val (across, down) = Pair(x - column, y - row)
        return (at(column, row) * (1 - across) + at(column + 1, row) * across) * (1 - down) +
            (at(column, row + 1) * (1 - across) + at(column + 1, row + 1) * across) * down
    }

    /** The mark's standard deviation per block of 8 x 8 pixels; see strengths() in Python. */
    private fun strengths(frame: Frame, columns: Int, rows: Int): DoubleArray {
        val mean = DoubleArray(rows * columns)
        val variance = DoubleArray(rows * columns)
        // Every second pixel of every second row; past the frame its last ones are repeated.
        val (lastX, lastY) = Pair((frame.width - 1) / 2 * 2, (frame.height - 1) / 2 * 2)
        for (row in 0 until rows) for (column in 0 until columns) {
            var sum = 0.0
            var squares = 0.0
            for (i in 0 until BLOCK step 2) for (j in 0 until BLOCK step 2) {
                val (x, y) = Pair(minOf(column * BLOCK + j, lastX), minOf(row * BLOCK + i, lastY))
                val luma = Math.rint(0.114 * frame.at(x, y, 0) + 0.587 * frame.at(x, y, 1) + 0.299 * frame.at(x, y, 2))
                sum += luma
                squares += luma * luma
            }
            mean[row * columns + column] = sum / 16
            variance[row * columns + column] = maxOf(squares / 16 - sum / 16 * (sum / 16), 0.0)
        }
        val power = DoubleArray(rows * columns) { at ->
            var calm = Double.MAX_VALUE // the flat side of an edge is flat
            for (i in -1..1) for (j in -1..1) {
                val (row, column) = Pair(at / columns + i, at % columns + j)
                if (row in 0 until rows && column in 0 until columns) calm = minOf(calm, variance[row * columns + column])
            }
            val u = mean[at]
            val loss = Spec.PICTURE_LOSS * (1 + calm / (calm + Spec.WATERMARK_LIVELY)) * (1 + ((u - 250) / 5).coerceIn(0.0, 1.0))
            loss / (1 / (2 * calm + C2) + Spec.WATERMARK_MEAN / (2 * u * u + C1))
        }
        val most = ceiling(power)
        return DoubleArray(power.size) { sqrt(minOf(power[it], most)) }
    }

    private fun ceiling(power: DoubleArray): Double {
        var (low, high) = Pair(0.0, power.max())
        if (power.average() <= Spec.WATERMARK_ERROR) return high
        repeat(14) {
            val middle = (low + high) / 2
            if (power.sumOf { minOf(it, middle) } / power.size > Spec.WATERMARK_ERROR) high = middle else low = middle
        }
        return low
    }

    /** The tile of an id: mean 0, standard deviation 1. */
    private fun tile(identifier: String, pixel: Int): DoubleArray {
        val side = Spec.TILE * pixel
        val signs = codeWord(identifier)
        val order = numbers(Spec.DATA_ORDER)
        val turns = numbers(Spec.DATA_SIGNS)
        val sent = DoubleArray(order.size) { signs[order[it].toInt()] * turns[it] / sqrt(2.0) }
        val data = numbers(Spec.DATA_WAVES)
        val pilots = numbers(Spec.PILOTS)
        val phases = numbers(Spec.PILOT_PHASES)
        val (cosines, sines) = Pair(DoubleArray(side) { cos(2 * PI * it / side) }, DoubleArray(side) { sin(2 * PI * it / side) })
        val tile = DoubleArray(side * side)
        fun add(kx: Int, ky: Int, real: Double, imaginary: Double) {
            for (y in 0 until side) for (x in 0 until side) {
                val at = Math.floorMod(kx * x + ky * y, side)
                tile[y * side + x] += real * cosines[at] - imaginary * sines[at]
            }
        }
        for (k in 0 until data.size / 2) add(data[2 * k].toInt(), data[2 * k + 1].toInt(), sent[2 * k], sent[2 * k + 1])
        for (k in 0 until pilots.size / 2) add(
            pilots[2 * k].toInt(), pilots[2 * k + 1].toInt(), Spec.PILOT_STRENGTH * phases[2 * k], Spec.PILOT_STRENGTH * phases[2 * k + 1],
        )
        val mean = tile.average()
        val deviation = sqrt(tile.sumOf { (it - mean) * (it - mean) } / tile.size)
        val digest = MessageDigest.getInstance("SHA-256").digest("${Spec.WATERMARK} beginning $identifier".toByteArray())
        val down = (digest[0].toInt() and 255) % Spec.TILE * pixel
        val right = (digest[1].toInt() and 255) % Spec.TILE * pixel
        return DoubleArray(tile.size) { at ->
            tile[Math.floorMod(at / side - down, side) * side + Math.floorMod(at % side - right, side)] / deviation
        }
    }

    private fun numbers(text: String) = text.trim().split(" ").map { it.toDouble() }.toDoubleArray()

    /** The code word of an id: 64 bits and a CRC-16, in a tail-biting convolutional code; +1 for 0. */
    private fun codeWord(identifier: String): IntArray {
        val data = bytesOf(identifier)
        var check = 0xFFFF
        for (byte in data) {
            check = check xor ((byte.toInt() and 255) shl 8)
            repeat(8) { check = (if (check and 0x8000 != 0) (check shl 1) xor 0x1021 else check shl 1) and 0xFFFF }
        }
        val message = data + byteArrayOf((check shr 8).toByte(), check.toByte())
        val bits = IntArray(message.size * 8) { (message[it / 8].toInt() shr (7 - it % 8)) and 1 }
        val rate = Spec.CODE_GENERATORS.size
        return IntArray(bits.size * rate) { at ->
            var register = 0
            for (age in 0..Spec.CODE_MEMORY) register = register or (bits[Math.floorMod(at / rate - age, bits.size)] shl age)
            if (Integer.bitCount(register and Spec.CODE_GENERATORS[at % rate]) % 2 == 0) 1 else -1
        }
    }
}
