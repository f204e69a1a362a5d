package org.edgeswap.core

/** A file of a bundle. */
class Part(val path: String, val sha256: String, val size: Long)

/** One way to run the swap model. */
class Variant(
    val name: String, val card: String, val engine: String, val providers: List<String>,
    val oldest: String, val cpu: List<String>, val threads: Int, val api: IntRange?,
)

/** bundle.toml (bundle-1, section 2). [id] is the SHA-256 of its bytes, which a seal signs. */
class Contents private constructor(
    val id: String, val target: String, val architecture: String, val precision: String,
    val detector: String, val masks: List<String>, val identity: String, val consent: String,
    val variants: List<Variant>, val parts: List<Part>,
) {
    val size = parts.sumOf { it.size }

    fun part(path: String): Part? = parts.find { it.path == path }

    companion object {
        const val NAME = "bundle.toml"
        const val SEAL = "bundle.sig"
        const val CONSENT = "consent.json"

        fun parse(data: ByteArray): Contents {
            val values = Toml.parse(data)
            val schema = values["schema"]
            if (schema is String && schema != Spec.BUNDLE && schema.startsWith("edge-swap/bundle-"))
                throw FormException("it is of the format ${schema.take(40)}, and this app reads ${Spec.BUNDLE}")
            val top = Fields(values)
            top.choice("schema", listOf(Spec.BUNDLE))
            top.text("made_with")
            top.text("title")
            val who = if (top.has("identity")) top.fields("identity") else null
            val contents = Contents(
                sha256(data), top.matching("target", Spec.NAME), top.choice("architecture", Spec.ARCHITECTURES),
                top.choice("precision", Spec.PRECISIONS), top.text("detector"),
                if (top.has("masks")) top.texts("masks") else emptyList(),
                who?.hex("commitment", 64).orEmpty(), who?.matching("consent", Spec.UUID).orEmpty(),
                top.tables("variants").map(::variant), top.tables("files").map(::partOf),
            )
            who?.done()
            top.done()
            contents.checkSense()
            return contents
        }

        private fun variant(table: Fields): Variant {
            val api = if (table.has("api")) table.list("api").map { (it as? Long)?.toInt() ?: 0 } else null
            if (api != null && (api.size != 2 || api[0] < 1 || api[0] > api[1])) throw FormException("'api' must be [oldest, newest]")
            return Variant(
                table.matching("name", Spec.NAME), table.text("card"), table.choice("engine", Spec.ENGINES),
                table.texts("providers").ifEmpty { throw FormException("'providers' must not be empty") },
                table.matching("oldest", Spec.VERSION), if (table.has("cpu")) table.texts("cpu") else emptyList(),
                if (table.has("threads")) table.whole("threads").coerceAtMost(64).toInt() else 0, api?.let { it[0]..it[1] },
            ).also { table.done() }
        }

        private fun partOf(table: Fields): Part {
            val part = Part(table.text("path"), table.hex("sha256", 64), table.whole("size"))
            table.done()
            val segments = part.path.split("/")
            val fits = part.path.length <= Spec.MOST_PATH && segments.size <= Spec.DEEPEST &&
                segments.all { Regex(Spec.SEGMENT).matches(it) } && part.path != NAME && part.path != SEAL
            if (!fits) throw FormException("the path '${part.path.take(80)}' leaves the bundle, or has signs that no path has")
            return part
        }
    }

    private fun checkSense() {
        if (variants.isEmpty() || variants.map { it.name }.toSet().size != variants.size)
            throw FormException("'variants' must be there, each with a name of its own")
        // Each first: a few sizes that no file has would come to a small sum.
        if (parts.size > Spec.MOST_PARTS || parts.any { it.size > Spec.MOST_BYTES } || size > Spec.MOST_BYTES) throw FormException("it names too many files, or too large ones")
        val paths = parts.map { it.path.lowercase(java.util.Locale.ROOT) }
        val folders = paths.flatMap { path -> path.indices.filter { path[it] == '/' }.map { path.substring(0, it) } }.toSet()
        if (paths.toSet().size != paths.size || paths.any { it in folders })
            throw FormException("'files' names a path twice, or a file where there is a folder")
        if ((part(CONSENT) == null) == identity.isNotEmpty())
            throw FormException("$CONSENT is there exactly where an identity is baked in")
    }
}
