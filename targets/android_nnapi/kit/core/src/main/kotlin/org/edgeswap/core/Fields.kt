package org.edgeswap.core

import java.time.Instant
import java.time.format.DateTimeParseException

/** A JSON object or TOML table, read key by key; [done] refuses what nobody asked for. */
class Fields(values: Map<String, Any?>, private val where: String = "") {
    private val left = LinkedHashMap(values)

    fun has(key: String) = key in left

    fun text(key: String): String {
        val found = take(key) as? String ?: bad(key, "is not text")
        return printable(found, key)
    }

    fun choice(key: String, allowed: List<String>): String =
        text(key).also { if (it !in allowed) bad(key, "is not one of ${allowed.joinToString(", ")}") }

    fun matching(key: String, form: String): String =
        text(key).also { if (!Regex(form).matches(it)) bad(key, "has not the form that it must have") }

    fun hex(key: String, digits: Int): String = matching(key, "[0-9a-f]{$digits}")

    fun flag(key: String): Boolean = take(key) as? Boolean ?: bad(key, "is neither true nor false")

    fun whole(key: String, low: Long = 0): Long =
        (take(key) as? Long)?.takeIf { it >= low } ?: bad(key, "is no whole number of at least $low")

    fun number(key: String): Double = when (val found = take(key)) {
        is Double -> found
        is Long -> found.toDouble()
        else -> bad(key, "is no number")
    }.also { if (!it.isFinite()) bad(key, "is no number") }

    fun numbers(key: String): DoubleArray = list(key).map {
        (it as? Double) ?: (it as? Long)?.toDouble() ?: bad(key, "holds something else than numbers")
    }.toDoubleArray()

    fun time(key: String): Instant {
        val text = text(key)
        if (!Regex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z").matches(text)) bad(key, "is no UTC time")
        return try {
            Instant.parse(text).also { if (it.toString() != text) bad(key, "is no UTC time") }
        } catch (error: DateTimeParseException) {
            bad(key, "is no UTC time")
        }
    }

    fun texts(key: String): List<String> {
        val found = list(key).map { printable(it as? String ?: bad(key, "holds something that is not text"), key) }
        if (found.toSet().size != found.size) bad(key, "names something twice")
        return found
    }

    fun list(key: String): List<Any?> = take(key) as? List<*> ?: bad(key, "is not a list")

    fun fields(key: String): Fields = fieldsOf(take(key), key)

    fun tables(key: String): List<Fields> = list(key).map { fieldsOf(it, key) }

    fun done() { left.keys.firstOrNull()?.let { bad(it, "is not a known field") } }

    private fun fieldsOf(value: Any?, key: String): Fields {
        @Suppress("UNCHECKED_CAST")
        return Fields(value as? Map<String, Any?> ?: bad(key, "is not an object"), name(key))
    }

    private fun take(key: String): Any? {
        if (key !in left) bad(key, "is missing")
        return left.remove(key)
    }

    private fun name(key: String) = if (where.isEmpty()) key else "$where.$key"

    private fun bad(key: String, what: String): Nothing = throw FormException("'${name(key).take(80)}' $what")

    private fun printable(text: String, key: String): String {
        if (text.isBlank() || text.length > MOST_TEXT) bad(key, "is empty, or longer than $MOST_TEXT signs")
        val hidden = text.codePoints().anyMatch { point ->
            when (Character.getType(point).toByte()) {
                Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.PRIVATE_USE,
                Character.UNASSIGNED, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> true
                Character.SPACE_SEPARATOR -> point != ' '.code
                else -> false
            }
        }
        if (hidden) bad(key, "holds characters that cannot be printed")
        return text
    }

    private companion object { const val MOST_TEXT = 500 }
}
