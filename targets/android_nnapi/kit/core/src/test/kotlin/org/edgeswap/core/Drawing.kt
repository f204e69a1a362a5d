package org.edgeswap.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.time.Instant

/** What the core draws and writes, into a folder, for a comparison with Python. */
object Drawing {
    /** `Drawing FOLDER WIDTH HEIGHT LANGUAGE OUTPUT_ID`: FOLDER/frame is raw BGR. */
    @JvmStatic
    fun main(args: Array<String>) {
        val (folder, width, height) = Triple(File(args[0]), args[1].toInt(), args[2].toInt())
        val language = args[3]
        val frame = Frame(width, height, File(folder, "frame").readBytes())
        val place = Label.plan(width, height, listOf(Region(0, 0, width, height / 2)), language)
        println("bare ${Label.isThere(frame, place)}")
        val labelled = frame.copy().also { Label.draw(it, place) }
        println("labelled ${Label.isThere(labelled, place)}")
        println("tall ${Stamp.of(language, place.region.height).tall}")
        println("place ${place.corner} ${place.region.x} ${place.region.y} ${place.region.width} ${place.region.height}")
        File(folder, "labelled").writeBytes(labelled.data)
        File(folder, "marked").writeBytes(frame.copy().also { Watermark.draw(it, Watermark.identifier(args[4])) }.data)
        val way = Similarity.of(doubleArrayOf(40.0, 50.0, 90.0, 45.0, 65.0, 75.0, 48.0, 98.0, 88.0, 94.0), Spec.TEMPLATES.getValue("arcface_128"), 96)
        println("way ${way.a} ${way.b} ${way.shiftX} ${way.shiftY}")
        File(folder, "crop").writeBytes(Crops.cut(frame, way, 96).data)
        var revoked = false
        val permit = Permit("0", "self-attested", "art", "picture", "00", "self", Instant.EPOCH) { if (revoked) throw BundleException(7, "revoked") }
        val record = SwapRecord(permit, place, emptyList(), "00", 1, "00", "image/png", "edge-swap-android", "0.1.0", Instant.EPOCH)
        val implicit = ImplicitLabel.fields(record, "edge-swap")
        File(folder, "manifest.json").writeText(Manifest.definition(record, implicit))
        val jpeg = ImplicitLabel.put(File(folder, "plain.jpg").readBytes(), implicit)
        File(folder, "implicit.jpg").writeBytes(jpeg)
        println("id ${record.outputId}")
        val good = Verdict(true, setOf(Spec.SWAP_ASSERTION, Spec.CONSENT_ASSERTION, Spec.TARGET_ASSERTION, Spec.LABEL_ASSERTION, Spec.IMPLICIT_ASSERTION), record.outputId)
        val store = byteArrayOf(-1, 0xEB.toByte(), 0, 10) + "JP..jumb".toByteArray()
        val signed = jpeg.copyOfRange(0, 2) + store + jpeg.copyOfRange(2, jpeg.size)
        fun gate(name: String, data: ByteArray, seen: Frame, verdict: Verdict) = println(
            "gate $name " + try { ReleaseGate.release(data, seen, record) { verdict }; "released" } catch (error: FormException) { error.message },
        )
        gate("good", signed, labelled, good)
        gate("no-label", signed, frame, good)
        gate("no-implicit", File(folder, "plain.jpg").readBytes(), labelled, good)
        gate("no-manifest", jpeg, labelled, good)
        gate("invalid", signed, labelled, Verdict(false, good.createdLabels, record.outputId))
        gate("another", signed, labelled, Verdict(true, good.createdLabels, "urn:uuid:0"))
        gate("gathered", signed, labelled, Verdict(true, emptySet(), record.outputId))
        val kept = ReleaseGate.release(signed, labelled, record) { good }
        fun bytes() = try { kept.bytes().contentEquals(signed) } catch (error: BundleException) { error.message }
        println("before ${bytes()}")
        revoked = true
        println("after ${bytes()}")
    }
}

/** `Laying FOLDER WIDTH HEIGHT SIZE A B X Y`: FOLDER/frame, crop and picture are raw BGR, mask float32. */
object Laying {
    @JvmStatic
    fun main(args: Array<String>) {
        val folder = File(args[0])
        val size = args[3].toInt()
        val frame = Frame(args[1].toInt(), args[2].toInt(), File(folder, "frame").readBytes())
        val (crop, picture) = listOf("crop", "picture").map { Frame(size, size, File(folder, it).readBytes()) }
        val values = ByteBuffer.wrap(File(folder, "mask").readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        val mask = FloatArray(size * size).also { values.get(it) }
        val (a, b, x, y) = args.drop(4).map { it.toDouble() }
        Crops.layOver(frame, crop, picture, mask, Similarity(a, b, x, y))
        File(folder, "laid").writeBytes(frame.data)
    }
}

/** `Aligning POINTS CARD...`: how the crop of each card lies at five points, x,y,x,y and so on. */
object Aligning {
    @JvmStatic
    fun main(args: Array<String>) {
        val points = args[0].split(",").map { it.toDouble() }.toDoubleArray()
        for (card in args.drop(1)) println(
            try { Card.parse(File(card).readBytes()).align(points).run { "$a $b $shiftX $shiftY" } } catch (error: FormException) { error.message },
        )
    }
}

/** `Masking CARD COUNT VALUE...`: whether a mask of so many pixels, all alike, fits the card. */
object Masking {
    @JvmStatic
    fun main(args: Array<String>) {
        val card = Card.parse(File(args[0]).readBytes())
        for (value in args.drop(2)) println(
            try { Crops.checked(FloatArray(args[1].toInt()) { value.toFloat() }, card).size } catch (error: FormException) { error.message },
        )
    }
}
