package org.edgeswap.core

/** One way of running a bundle's model on this phone: numbers alone, no picture. */
class WayReport(
    val way: String, val card: String, val leftOut: String = "", val engine: String = "", val provider: String = "",
    val threads: Int = 0, val compared: List<Compared> = emptyList(), val bar: Double = 0.0,
    /** Wall times of single runs, ms. */
    val times: List<Double> = emptyList(),
) {
    val holds = compared.isNotEmpty() && compared.minOf { it.psnr } >= bar

    /** The same members as `edge selftest --json` has; nodes per provider are not told by the Java package. */
    fun json(invalid: String): Map<String, Any?> = linkedMapOf(
        "way" to way, "card" to card, "left_out" to leftOut, "engine" to engine, "provider" to provider,
        "providers" to null, "threads" to threads, "identical" to compared.count { it.same },
        "psnr" to worst { it.psnr }, "psnr_float" to worst { it.psnrFloat }, "psnr_float_built" to worst { it.psnrFloatBuilt },
        "holds" to holds, "latency" to if (invalid.isEmpty() && times.isNotEmpty()) latency() else null,
    )

    private fun worst(of: (Compared) -> Double): Double? = compared.minOfOrNull(of)?.let { Math.rint(it * 100) / 100 }

    private fun latency(): Map<String, Any?> {
        val sorted = times.sorted()
        fun share(part: Double): Double { // linear between two times, as NumPy does it
            val place = part * (sorted.size - 1)
            val low = place.toInt()
            val high = minOf(low + 1, sorted.size - 1)
            return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
        }
        return linkedMapOf(
            "stage" to way, "rounds" to sorted.size, "p50" to share(0.5), "p90" to share(0.9), "p99" to share(0.99), "quickest" to sorted.first(),
        )
    }
}

/** The phone, as far as Android tells. */
class Machine(
    val board: String, val processor: String, val architecture: String, val cores: Int, val features: List<String>,
    val memory: Long?, val system: String, val kernel: String,
) {
    fun json(): Map<String, Any?> = linkedMapOf(
        "board" to board, "processor" to processor, "architecture" to architecture, "cores" to cores, "features" to features,
        "memory" to memory, "governor" to "", "system" to system, "kernel" to kernel,
    )
}

/**
 * What a phone found out about a bundle, in the form that every device gives it: the schema
 * docs/spec/selftest-1. What Android alone can tell is in `phone`.
 */
class SelftestReport(
    val bundle: String, val target: String, val precision: String, val vectors: Int, val machine: Machine,
    val versions: Map<String, String>, val kernels: Map<String, String>, val ways: List<WayReport>,
    /** Why no time counts; empty where nothing is known against them. */
    val invalid: String, val phone: Map<String, Any?>,
) {
    fun json(): String {
        val ran = ways.filter { it.leftOut.isEmpty() }
        val unknown = linkedMapOf("bits" to null, "celsius" to null) // Android tells an app neither
        return Json.plain(
            linkedMapOf(
                "schema" to Spec.SELFTEST, "unit" to "ms", "holds" to (ran.isNotEmpty() && ran.all { it.holds }), "bundle" to bundle,
                "target" to target, "precision" to precision, "vectors" to vectors, "machine" to machine.json(), "versions" to versions,
                "kernels" to kernels, "ways" to ways.map { it.json(invalid) }, "before" to unknown, "after" to unknown,
                "power_before" to null, "power_after" to null, "invalid" to invalid, "phone" to phone,
            ),
        )
    }
}
