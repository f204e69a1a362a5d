package org.edgeswap.android

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import java.io.ByteArrayOutputStream
import java.io.Closeable
import java.io.File
import java.time.Instant
import org.edgeswap.core.Bundle
import org.edgeswap.core.Detection
import org.edgeswap.core.FormException
import org.edgeswap.core.Frame
import org.edgeswap.core.ImplicitLabel
import org.edgeswap.core.Manifest
import org.edgeswap.core.ModelUse
import org.edgeswap.core.Opening
import org.edgeswap.core.Releasable
import org.edgeswap.core.ReleaseGate
import org.edgeswap.core.Storage
import org.edgeswap.core.Swapping
import org.edgeswap.core.sha256

/** A bundle that is open and runs. Not for several threads at once. */
class Swapper private constructor(
    private val bundle: Bundle, private val runners: List<OrtRunner>, private val swapping: Swapping,
    private val models: List<ModelUse>, private val identity: SigningIdentity,
) : Closeable {
    /** Which way it runs, for people: "nnapi (NnapiExecutionProvider)". */
    val way = models.last().let { "${it.card.name} in ${it.provider}" }

    /**
     * Swaps one picture; what comes back is labelled, marked, signed and read back, or nothing does.
     *
     * @param target the bytes of a picture file
     */
    fun swap(target: ByteArray, purpose: String, targetIs: String, language: String): Releasable {
        val permit = bundle.permit(purpose, "picture", targetIs)
        val (frame, type) = decode(target)
        val done = swapping.swap(frame, permit, language, models, sha256(target), type, AGENT, VERSION, Instant.now())
        val implicit = ImplicitLabel.fields(done.record, AGENT)
        val jpeg = ImplicitLabel.put(encode(done.frame), implicit)
        val signed = identity.sign(jpeg, Manifest.definition(done.record, implicit), Manifest.ingredient(), target, type)
        return ReleaseGate.release(signed, decode(signed).first, done.record, identity::verdict)
    }

    /** Runs the bundle's golden vectors; see [Selftest]. */
    fun selftest(context: Context): String = Selftest.run(context, bundle, BuildConfig.ONNXRUNTIME)

    override fun close() = runners.forEach { it.close() }

    companion object {
        private const val AGENT = "edge-swap-android"
        private const val VERSION = "0.1.0"
        private const val QUALITY = 95
        private const val MOST_PIXELS = 50_000_000L

        /** Opens a bundle's .zip file. */
        fun open(context: Context, zip: File, phone: Phone, identity: SigningIdentity): Swapper {
            val device = phone.device()
            Storage.sweep(phone.bundles, device) // consents end without anybody's doing
            val bundle = Opening.open(zip, phone.bundles, device)
            val version = device.engines.getValue("ort")
            val runners = ArrayList<OrtRunner>()
            try {
                val (variant, swapper) = Choice.open(bundle.variants) { bundle.model(bundle.cards.getValue(it.card)) }
                runners.add(swapper)
                val models = ArrayList<ModelUse>()
                fun open(name: String): OrtRunner = bundle.cards[name]?.let { card ->
                    models.add(ModelUse(card, "ort", "CPUExecutionProvider", version))
                    OrtRunner.open(bundle.model(card), "cpu", "CPUExecutionProvider", 4).also { runners.add(it) }
                } ?: throw FormException("the bundle holds no card '$name'")
                if (bundle.contents.masks.isNotEmpty()) throw FormException("this app runs no maskers: build the bundle without --mask")
                val finder = bundle.cards.getValue(bundle.contents.detector)
                val found = open(finder.name)
                val placer = finder.landmarker.takeIf { it.isNotEmpty() }?.let { bundle.cards.getValue(it) to open(it) }
                val card = bundle.cards.getValue(variant.card)
                models.add(ModelUse(card, "ort", swapper.provider, version))
                val detection = Detection(finder, found, placer?.first, placer?.second)
                return Swapper(bundle, runners, Swapping(bundle, detection, card, swapper), models, identity)
            } catch (error: Exception) {
                runners.forEach { it.close() }
                throw error
            }
        }

        private fun decode(data: ByteArray): Pair<Frame, String> {
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            BitmapFactory.decodeByteArray(data, 0, data.size, bounds)
            if (bounds.outWidth <= 0 || bounds.outWidth.toLong() * bounds.outHeight > MOST_PIXELS) throw FormException("is no picture, or is too large")
            val bitmap = BitmapFactory.decodeByteArray(data, 0, data.size, BitmapFactory.Options().apply { inScaled = false })
                ?: throw FormException("the picture cannot be read")
            val frame = Frame(bitmap.width, bitmap.height)
            val row = IntArray(bitmap.width)
            for (y in 0 until bitmap.height) {
                bitmap.getPixels(row, 0, bitmap.width, 0, y, bitmap.width, 1)
                for (x in row.indices) for (channel in 0..2) {
                    frame.data[3 * (y * bitmap.width + x) + channel] = (row[x] shr (8 * channel)).toByte()
                }
            }
            bitmap.recycle()
            return frame to (bounds.outMimeType ?: "application/octet-stream")
        }

        private fun encode(frame: Frame): ByteArray {
            val colours = IntArray(frame.width * frame.height) { at ->
                (0xFF shl 24) or ((frame.data[3 * at + 2].toInt() and 255) shl 16) or
                    ((frame.data[3 * at + 1].toInt() and 255) shl 8) or (frame.data[3 * at].toInt() and 255)
            }
            val bitmap = Bitmap.createBitmap(colours, frame.width, frame.height, Bitmap.Config.ARGB_8888)
            val out = ByteArrayOutputStream()
            if (!bitmap.compress(Bitmap.CompressFormat.JPEG, QUALITY, out)) throw FormException("the picture could not be encoded")
            bitmap.recycle()
            return out.toByteArray()
        }
    }
}

/** Saving: takes a [Releasable] and nothing else, so that no other picture gets out of the app. */
object Saving {
    fun save(context: Context, picture: Releasable, to: Uri) {
        val jpeg = picture.bytes() // refused here where the consent is not in force any more
        val log = File(context.filesDir, "outputs.log")
        // Entered and synced first: no output without its entry.
        java.io.FileOutputStream(log, true).use {
            it.write("${Instant.now()} ${picture.record.outputId} ${sha256(jpeg)} ${picture.record.permit.consentId}\n".toByteArray())
            it.fd.sync()
        }
        val stream = context.contentResolver.openOutputStream(to, "wt") ?: throw FormException("the picture cannot be written there")
        try {
            stream.use { it.write(jpeg) }
        } catch (error: java.io.IOException) {
            // A part of it may show the face and not the label: nothing of it stays.
            runCatching { context.contentResolver.openOutputStream(to, "wt")?.close() }
            throw error
        }
    }
}
