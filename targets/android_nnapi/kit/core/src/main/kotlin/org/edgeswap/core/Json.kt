package org.edgeswap.core

import java.text.Normalizer

/** Something is not as the format says; [message] is one line for people. */
open class FormException(message: String) : Exception(message)

/** JSON as signed records are written: read strictly, written canonically (bundle-1, section 3). */
object Json {
    private const val DEEPEST = 64

    /** Reads one object; refuses doubled keys, numbers that are not whole, and what follows it. */
    fun parseObject(data: ByteArray): Map<String, Any?> {
        val text = utf8(data)
        val reader = Reader(text)
        val value = reader.value(0)
        reader.end()
        @Suppress("UNCHECKED_CAST")
        return value as? Map<String, Any?> ?: throw FormException("it is not a JSON object")
    }

    /** Canonical JSON of null, Boolean, Long, Int, String, List and Map with text keys. */
    fun canonical(value: Any?): ByteArray =
        StringBuilder().also { write(it, value, sorted = true) }.toString().toByteArray(Charsets.UTF_8)

    /** The same with members in the order in which they were put, and Double too: for manifests and reports. */
    fun plain(value: Any?): String = StringBuilder().also { write(it, value, sorted = false) }.toString()

    fun utf8(data: ByteArray): String {
        val decoder = Charsets.UTF_8.newDecoder()
        return try {
            decoder.decode(java.nio.ByteBuffer.wrap(data)).toString()
        } catch (error: java.nio.charset.CharacterCodingException) {
            throw FormException("it is not UTF-8 text")
        }
    }

    private fun write(out: StringBuilder, value: Any?, sorted: Boolean) {
        when (value) {
            null, is Boolean, is Int, is Long -> out.append(value)
            is Double -> if (sorted || !value.isFinite()) throw FormException("$value has no canonical form") else out.append(value)
            is String -> quote(out, Normalizer.normalize(value, Normalizer.Form.NFC))
            is List<*> -> {
                out.append('[')
                value.forEachIndexed { at, item -> if (at > 0) out.append(','); write(out, item, sorted) }
                out.append(']')
            }
            is Map<*, *> -> {
                val keys = value.keys.map { it as String }
                out.append('{')
                (if (sorted) keys.sortedWith(::byCodePoints) else keys).forEachIndexed { at, key ->
                    if (at > 0) out.append(',')
                    quote(out, Normalizer.normalize(key, Normalizer.Form.NFC))
                    out.append(':')
                    write(out, value[key], sorted)
                }
                out.append('}')
            }
            else -> throw FormException("a value of type ${value::class.simpleName} has no canonical form")
        }
    }

    // Kotlin compares UTF-16 units, which is another order beyond U+FFFF.
    private fun byCodePoints(a: String, b: String): Int {
        val left = a.codePoints().toArray()
        val right = b.codePoints().toArray()
        for (at in 0 until minOf(left.size, right.size)) {
            if (left[at] != right[at]) return left[at].compareTo(right[at])
        }
        return left.size.compareTo(right.size)
    }

    private fun quote(out: StringBuilder, text: String) {
        out.append('"')
        for (sign in text) when (sign) {
            '"' -> out.append("\\\"")
            '\\' -> out.append("\\\\")
            '\b' -> out.append("\\b")
            '\u000c' -> out.append("\\f")
            '\n' -> out.append("\\n")
            '\r' -> out.append("\\r")
            '\t' -> out.append("\\t")
            else -> if (sign < ' ') out.append("\\u%04x".format(sign.code)) else out.append(sign)
        }
        out.append('"')
    }

    private class Reader(private val text: String) {
        private var at = 0

        fun value(depth: Int): Any? {
            if (depth > DEEPEST) throw FormException("it is nested too deep")
            blank()
            return when (val sign = peek()) {
                '{' -> members(depth)
                '[' -> items(depth)
                '"' -> string()
                't' -> word("true", true)
                'f' -> word("false", false)
                'n' -> word("null", null)
                else -> if (sign == '-' || sign in '0'..'9') number() else bad()
            }
        }

        fun end() {
            blank()
            if (at != text.length) bad()
        }

        private fun members(depth: Int): Map<String, Any?> {
            val found = LinkedHashMap<String, Any?>()
            at++
            blank()
            if (peek() == '}') { at++; return found }
            while (true) {
                blank()
                if (peek() != '"') bad()
                val key = string()
                blank()
                if (peek() != ':') bad()
                at++
                if (key in found) throw FormException("the key '${key.take(40)}' is given twice")
                found[key] = value(depth + 1)
                if (!more('}')) return found
            }
        }

        private fun items(depth: Int): List<Any?> {
            val found = ArrayList<Any?>()
            at++
            blank()
            if (peek() == ']') { at++; return found }
            while (true) {
                found.add(value(depth + 1))
                if (!more(']')) return found
            }
        }

        private fun more(end: Char): Boolean {
            blank()
            val sign = peek()
            at++
            if (sign != ',' && sign != end) bad()
            return sign == ','
        }

        private fun string(): String {
            val out = StringBuilder()
            at++
            while (true) {
                val sign = peek()
                at++
                when {
                    sign == '"' -> return Normalizer.normalize(checked(out.toString()), Normalizer.Form.NFC)
                    sign < ' ' -> bad()
                    sign == '\\' -> out.append(escaped())
                    else -> out.append(sign)
                }
            }
        }

        private fun escaped(): Char {
            val sign = peek()
            at++
            return when (sign) {
                '"', '\\', '/' -> sign
                'b' -> '\b'
                'f' -> '\u000c'
                'n' -> '\n'
                'r' -> '\r'
                't' -> '\t'
                'u' -> {
                    val digits = text.substring(at, minOf(at + 4, text.length))
                    if (!Regex("[0-9a-fA-F]{4}").matches(digits)) bad()
                    at += 4
                    digits.toInt(16).toChar()
                }
                else -> bad()
            }
        }

        private fun checked(found: String): String {
            found.forEachIndexed { place, sign ->
                val paired = if (sign.isHighSurrogate()) found.getOrNull(place + 1)?.isLowSurrogate() == true
                else !sign.isLowSurrogate() || found.getOrNull(place - 1)?.isHighSurrogate() == true
                if (!paired) throw FormException("text with half of a surrogate pair")
            }
            return found
        }

        private fun number(): Long {
            val found = Regex("-?(0|[1-9][0-9]*)([.eE][0-9+.eE-]*)?").matchAt(text, at) ?: bad()
            at = found.range.last + 1
            return found.value.toLongOrNull()
                ?: throw FormException("the number ${found.value.take(20)} is not whole, or is too long")
        }

        private fun <T> word(word: String, value: T): T {
            if (!text.startsWith(word, at)) bad()
            at += word.length
            return value
        }

        private fun blank() { while (at < text.length && text[at] in " \t\r\n") at++ }

        private fun peek(): Char = text.getOrNull(at) ?: bad()

        private fun bad(): Nothing = throw FormException("it is not JSON (at sign ${at + 1})")
    }
}
