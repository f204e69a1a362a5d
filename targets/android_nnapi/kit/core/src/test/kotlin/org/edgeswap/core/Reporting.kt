package org.edgeswap.core

/** `Reporting INVALID`: a self-test's report, made up, for its schema. */
object Reporting {
    @JvmStatic
    fun main(args: Array<String>) {
        val machine = Machine("Phone 1", "SoC 2", "aarch64", 8, listOf("asimd"), 8_000_000_000, "Android 14", "6.1")
        val good = Compared(84.129, true, 52.0, 52.0)
        val near = Compared(61.5, false, 51.25, 52.0)
        val ways = listOf(
            WayReport("nnapi", "a", leftOut = "NnapiExecutionProvider: \"refused\""),
            WayReport("xnnpack", "b", "", "ort 1.30.0", "XnnpackExecutionProvider", 4, listOf(good, near), 30.0, listOf(9.0, 5.0, 7.0)),
        )
        val report = SelftestReport(
            "ab".repeat(32), "android_nnapi", "int8", 2, machine, mapOf("onnxruntime" to "1.30.0"), mapOf("b" to "precise"), ways, args.getOrElse(0) { "" },
            mapOf("api" to 34, "thermal_before" to 0, "thermal_after" to 0),
        )
        println(report.json())
        println(SelftestReport(report.bundle, "t", "int8", 1, machine, emptyMap(), emptyMap(), ways.take(1), "", emptyMap()).json())
    }
}
