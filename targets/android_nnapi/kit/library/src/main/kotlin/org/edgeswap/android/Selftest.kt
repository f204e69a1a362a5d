package org.edgeswap.android

import android.app.ActivityManager
import android.content.Context
import android.graphics.BitmapFactory
import android.os.Build
import android.os.PowerManager
import java.io.File
import org.edgeswap.core.Bundle
import org.edgeswap.core.Compared
import org.edgeswap.core.FormException
import org.edgeswap.core.Golden
import org.edgeswap.core.GoldenVector
import org.edgeswap.core.Machine
import org.edgeswap.core.SelftestReport
import org.edgeswap.core.Variant
import org.edgeswap.core.WayReport

/**
 * Golden vectors in, JSON out: made to be run once on a real phone, and pasted into docs/targets.md.
 * Every way of the bundle is tried, so that it shows which of them this phone takes. The JSON has
 * the form of `edge selftest --json` (docs/spec/selftest-1); `core` makes it.
 */
object Selftest {
    private const val ROUNDS = 50
    private const val WARM_UP = 5

    fun run(context: Context, bundle: Bundle, engineVersion: String): String {
        val before = heat(context)
        val data = File(bundle.folder, Golden.PATH).readBytes()
        val vectors = Golden.parse(data)
        val ways = bundle.variants.map { way(bundle, it, vectors, engineVersion) }
        val after = heat(context)
        val invalid = when {
            maxOf(before, after) > 0 -> "the phone slowed itself down (thermal status $before before, $after after)"
            Build.FINGERPRINT.contains("generic") || Build.HARDWARE.contains("ranchu") -> "the phone is emulated"
            else -> ""
        }
        return SelftestReport(
            bundle.contents.id, bundle.contents.target, bundle.contents.precision, vectors.size, machine(context),
            mapOf("onnxruntime" to engineVersion), Golden.kernels(data), ways, invalid,
            mapOf("api" to Build.VERSION.SDK_INT, "thermal_before" to before, "thermal_after" to after),
        ).json()
    }

    private fun way(bundle: Bundle, variant: Variant, vectors: List<GoldenVector>, engineVersion: String): WayReport {
        val card = bundle.cards.getValue(variant.card)
        if (variant.engine != "ort") return WayReport(variant.name, card.name, leftOut = "this app has no ${variant.engine}")
        return try {
            val opened = Choice.open(listOf(variant)) { bundle.model(card) }.second
            opened.use { runner ->
                val shape = longArrayOf(1, 3, card.size.toLong(), card.size.toLong())
                val compared = ArrayList<Compared>()
                for (vector in vectors) {
                    val outputs = runner.run(Golden.tensor(pixels(bundle, vector), card), shape)
                    compared.add(Golden.compare(outputs[card.output] ?: outputs.values.first(), card, vector))
                }
                val first = Golden.tensor(pixels(bundle, vectors.first()), card)
                repeat(WARM_UP) { runner.run(first, shape) }
                val times = List(ROUNDS) {
                    val begin = System.nanoTime()
                    runner.run(first, shape)
                    (System.nanoTime() - begin) / 1e6
                }
                val threads = if (variant.threads > 0) variant.threads else Choice.DEFAULT_THREADS
                WayReport(variant.name, card.name, "", "ort $engineVersion", runner.provider, threads, compared, Golden.bar(card), times)
            }
        } catch (error: FormException) {
            WayReport(variant.name, card.name, leftOut = error.message ?: "it does not run")
        }
    }

    private fun pixels(bundle: Bundle, vector: GoldenVector): IntArray {
        val bitmap = BitmapFactory.decodeFile(File(bundle.folder, vector.crop).path) ?: throw FormException("${vector.crop}: cannot be read")
        return IntArray(bitmap.width * bitmap.height).also { bitmap.getPixels(it, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height) }
    }

    private fun machine(context: Context): Machine {
        val memory = ActivityManager.MemoryInfo().also { context.getSystemService(ActivityManager::class.java).getMemoryInfo(it) }.totalMem
        val processor = if (Build.VERSION.SDK_INT >= 31) Build.SOC_MODEL else Build.HARDWARE
        val architecture = if (Build.SUPPORTED_64_BIT_ABIS.firstOrNull() == "arm64-v8a") "aarch64" else "x86_64"
        return Machine(
            "${Build.MANUFACTURER} ${Build.MODEL}", processor, architecture, Runtime.getRuntime().availableProcessors(),
            Phone(context).device().cpuFeatures.sorted(), memory, "Android ${Build.VERSION.RELEASE}", System.getProperty("os.version").orEmpty(),
        )
    }

    /** Above NONE (0) the phone slows itself down: its times say nothing then. -1 where Android does not tell. */
    private fun heat(context: Context): Int =
        if (Build.VERSION.SDK_INT >= 29) context.getSystemService(PowerManager::class.java).currentThermalStatus else -1
}
