package org.edgeswap.core

import java.io.File
import java.time.Instant

/** `Vectors ZIP CACHE NOW ARCHITECTURE API TRUSTED REVOCATION...`: prints the step that fails, or "open". */
object Vectors {
    @JvmStatic
    fun main(args: Array<String>) = args.forEach { println(one(it.split("\t"))) }

    private fun one(args: List<String>): String {
        val device = Device(
            ed = PlatformEd25519, architecture = args[3], apiLevel = args[4].toInt(), cpuFeatures = setOf("asimd"),
            engines = mapOf("ort" to "1.24.3"), providers = setOf("CPUExecutionProvider", "NnapiExecutionProvider", "XnnpackExecutionProvider"),
            trustedBuilders = args[5].split(",").toSet(), revocations = { args.drop(6).map { File(it).readBytes() } },
            now = { Instant.parse(args[2]) },
        )
        return try {
            val bundle = Opening.open(File(args[0]), File(args[1]), device)
            "open ${bundle.variants.joinToString(",") { it.name }} ${bundle.cards.size}"
        } catch (error: BundleException) {
            "${error.step} ${error.message}"
        }
    }
}

/** `Permitting ZIP CACHE NOW LATER ARCHITECTURE TRUSTED PURPOSE TARGET REVOCATION`: what a permit says as time goes by. */
object Permitting {
    @JvmStatic
    fun main(args: Array<String>) {
        var now = Instant.parse(args[2])
        val revocations = ArrayList<ByteArray>()
        val device = Device(
            ed = PlatformEd25519, architecture = args[4], apiLevel = 30, cpuFeatures = setOf("asimd"),
            engines = mapOf("ort" to "1.24.3"), providers = setOf("CPUExecutionProvider", "NnapiExecutionProvider", "XnnpackExecutionProvider"),
            trustedBuilders = setOf(args[5]), revocations = { revocations }, now = { now },
        )
        val permit = Opening.open(File(args[0]), File(args[1]), device).permit(args[6], "picture", args[7])
        fun say() = println(try { permit.check(); "in force" } catch (error: BundleException) { "${error.step} ${error.message}" })
        say()
        revocations.add(File(args[8]).readBytes())
        say()
        revocations.clear()
        say()
        now = Instant.parse(args[3])
        say()
    }
}

/** `Sweeping CACHE NOW REVOCATION...`: what is left of unpacked bundles, a name a line. */
object Sweeping {
    @JvmStatic
    fun main(args: Array<String>) {
        val device = Device(
            ed = PlatformEd25519, architecture = "aarch64", apiLevel = 30, cpuFeatures = emptySet(), engines = emptyMap(), providers = emptySet(),
            trustedBuilders = emptySet(), revocations = { args.drop(2).map { File(it).readBytes() } }, now = { Instant.parse(args[1]) },
        )
        Storage.sweep(File(args[0]), device)
        File(args[0]).list().orEmpty().sorted().forEach(::println)
    }
}

/** `Replacing FILE TEXT...`: writes each text in turn, and prints what a reader of the folder sees. */
object Replacing {
    @JvmStatic
    fun main(args: Array<String>) {
        val file = File(args[0])
        for (text in args.drop(1)) Storage.replace(file, text.toByteArray())
        for (seen in Storage.whole(file.parentFile)) println("${seen.name} ${seen.readText()}")
    }
}
