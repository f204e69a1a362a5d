package org.edgeswap.android

import android.content.Context
import android.graphics.BitmapFactory
import android.os.Build
import android.os.PowerManager
import java.io.File
import org.edgeswap.core.Bundle
import org.edgeswap.core.FormException
import org.edgeswap.core.Golden
import org.json.JSONArray
import org.json.JSONObject

/**
 * Golden vectors in, JSON out: made to be run once on a real phone, and pasted into docs/targets.md.
 * Every way of the bundle that fits is tried, so that it shows which of them this phone takes.
 */
object Selftest {
    private const val ROUNDS = 20

    fun run(context: Context, bundle: Bundle, engineVersion: String): String {
        val before = heat(context)
        val vectors = Golden.parse(File(bundle.folder, Golden.PATH).readBytes())
        val ways = JSONArray()
        for (variant in bundle.variants.filter { it.engine == "ort" }) {
            val card = bundle.cards.getValue(variant.card)
            val way = JSONObject().put("name", variant.name).put("card", card.name).put("provider", variant.providers.first())
            try {
                Choice.open(listOf(variant)) { bundle.model(card) }.second.use { runner ->
                    val shape = longArrayOf(1, 3, card.size.toLong(), card.size.toLong())
                    val times = ArrayList<Double>()
                    val found = vectors.map { vector ->
                        val bitmap = BitmapFactory.decodeFile(File(bundle.folder, vector.crop).path) ?: throw FormException("${vector.crop}: cannot be read")
                        val pixels = IntArray(bitmap.width * bitmap.height)
                        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
                        val tensor = Golden.tensor(pixels, card)
                        val outputs = runner.run(tensor, shape)
                        repeat(ROUNDS) {
                            val begin = System.nanoTime()
                            runner.run(tensor, shape)
                            times.add((System.nanoTime() - begin) / 1e6)
                        }
                        Golden.compare(outputs[card.output] ?: outputs.values.first(), card, vector)
                    }
                    val worst = found.minOf { it.first }
                    way.put("worst_psnr", worst).put("same_bytes", found.all { it.second }).put("holds", worst >= Golden.bar(card))
                    way.put("latency_ms_p50", times.sorted()[times.size / 2])
                }
            } catch (error: FormException) {
                way.put("refused", error.message)
            }
            ways.put(way)
        }
        val phone = JSONObject().put("model", Build.MODEL).put("soc", if (Build.VERSION.SDK_INT >= 31) Build.SOC_MODEL else Build.HARDWARE)
        // Above NONE (0) the phone slows itself down: its times say nothing then.
        phone.put("thermal_before", before).put("thermal_after", heat(context))
        phone.put("api", Build.VERSION.SDK_INT).put("onnxruntime", engineVersion)
        return JSONObject().put("bundle", bundle.contents.id).put("phone", phone).put("ways", ways).toString(2)
    }

    private fun heat(context: Context): Int =
        if (Build.VERSION.SDK_INT >= 29) context.getSystemService(PowerManager::class.java).currentThermalStatus else -1
}
