package org.edgeswap.core

/**
 * TOML as bundles and cards use it: tables, tables of a list, bare and quoted keys, one-line texts,
 * whole and decimal numbers, true and false, lists. All else (dates, texts of several lines, inline
 * tables, dotted keys) is refused, never guessed.
 */
class Toml private constructor(private val text: String) {
    private var at = 0

    companion object {
        fun parse(data: ByteArray): Map<String, Any> = Toml(Json.utf8(data).replace("\r\n", "\n")).document()
    }

    private fun document(): Map<String, Any> {
        val top = LinkedHashMap<String, Any>()
        val headed = java.util.Collections.newSetFromMap(java.util.IdentityHashMap<Any, Boolean>())
        var table = top
        while (true) {
            lines()
            if (at >= text.length) return top
            if (text[at] == '[') {
                val list = text.startsWith("[[", at)
                at += if (list) 2 else 1
                val path = path()
                expect(if (list) "]]" else "]")
                table = enter(top, path, list)
                if (!headed.add(table)) bad("[${path.joinToString(".")}] is there twice")
            } else {
                val key = key()
                blank()
                expect("=")
                blank()
                if (table.put(key, value(0)) != null) bad("'$key' is there twice")
            }
            lineEnd()
        }
    }

    private fun enter(top: LinkedHashMap<String, Any>, path: List<String>, list: Boolean): LinkedHashMap<String, Any> {
        var table = top
        path.forEachIndexed { place, key ->
            val last = place == path.size - 1
            val there = table[key]
            table = when {
                last && list -> LinkedHashMap<String, Any>().also { made ->
                    @Suppress("UNCHECKED_CAST")
                    val tables = (table.getOrPut(key) { ArrayList<Any>() } as? ArrayList<Any>)
                        ?.takeIf { all -> all.all { it is Map<*, *> } } ?: bad("'$key' is no list of tables")
                    tables.add(made)
                }
                there == null -> LinkedHashMap<String, Any>().also { table[key] = it }
                there is List<*> && !last -> tableOf(there.lastOrNull(), key)
                else -> tableOf(there, key)
            }
        }
        return table
    }

    @Suppress("UNCHECKED_CAST")
    private fun tableOf(value: Any?, key: String): LinkedHashMap<String, Any> =
        value as? LinkedHashMap<String, Any> ?: bad("'$key' is no table")

    private fun path(): List<String> {
        val found = ArrayList<String>()
        while (true) {
            blank()
            found.add(key())
            blank()
            if (peek() != '.') return found
            at++
        }
    }

    private fun key(): String {
        if (peek() == '"' || peek() == '\'') return string()
        val found = Regex("[A-Za-z0-9_-]+").matchAt(text, at) ?: bad("a key was expected")
        at = found.range.last + 1
        return found.value
    }

    private fun value(depth: Int): Any {
        if (depth > 16) bad("it is nested too deep")
        val sign = peek()
        if (sign == '"' || sign == '\'') return string()
        if (sign == '[') return list(depth)
        val found = Regex("[A-Za-z0-9_.+-]+").matchAt(text, at)?.value ?: bad("a value was expected")
        at += found.length
        return when {
            found == "true" -> true
            found == "false" -> false
            WHOLE.matches(found) -> found.replace("_", "").toLongOrNull() ?: bad("$found is too large")
            DECIMAL.matches(found) -> found.replace("_", "").toDouble()
            else -> bad("'${found.take(40)}' is no value that bundles use")
        }
    }

    private fun list(depth: Int): List<Any> {
        val found = ArrayList<Any>()
        at++
        while (true) {
            lines()
            if (peek() == ']') { at++; return found }
            found.add(value(depth + 1))
            lines()
            if (peek() == ',') at++ else if (peek() != ']') bad("',' or ']' was expected")
        }
    }

    private fun string(): String {
        val quote = peek()
        if (text.startsWith("$quote$quote$quote", at)) bad("a text of several lines")
        at++
        val out = StringBuilder()
        while (true) {
            val sign = peek()
            at++
            when {
                sign == quote -> return out.toString()
                sign < ' ' && sign != '\t' || sign == '\u007f' -> bad("a control character in a text")
                sign == '\\' && quote == '"' -> escaped(out)
                else -> out.append(sign)
            }
        }
    }

    private fun escaped(out: StringBuilder) {
        val sign = peek()
        at++
        val plain = "btnfr\"\\".indexOf(sign)
        if (plain >= 0) { out.append("\b\t\n\u000c\r\"\\"[plain]); return }
        val count = if (sign == 'u') 4 else if (sign == 'U') 8 else bad("an unknown escape")
        val point = text.substring(at, minOf(at + count, text.length)).toIntOrNull(16) ?: bad("an unknown escape")
        if (!Character.isValidCodePoint(point) || point in 0xD800..0xDFFF) bad("an unknown escape")
        at += count
        out.appendCodePoint(point)
    }

    private fun blank() { while (at < text.length && text[at] in " \t") at++ }

    private fun comment() {
        blank()
        if (at < text.length && text[at] == '#') while (at < text.length && text[at] != '\n') at++
    }

    private fun lineEnd() {
        comment()
        if (at < text.length && text[at] != '\n') bad("the line goes on where it should end")
    }

    private fun lines() {
        comment()
        while (at < text.length && text[at] == '\n') { at++; comment() }
    }

    private fun expect(sign: String) { if (text.startsWith(sign, at)) at += sign.length else bad("'$sign' was expected") }

    private fun peek(): Char = text.getOrNull(at) ?: bad("it ends too early")

    private fun bad(what: String): Nothing =
        throw FormException("it is not valid TOML (line ${text.substring(0, minOf(at, text.length)).count { it == '\n' } + 1}: $what)")

    private val WHOLE = Regex("[+-]?(0|[1-9](_?[0-9])*)")
    private val DECIMAL = Regex("[+-]?(0|[1-9](_?[0-9])*)(\\.[0-9](_?[0-9])*)?([eE][+-]?[0-9]+)?")
}
