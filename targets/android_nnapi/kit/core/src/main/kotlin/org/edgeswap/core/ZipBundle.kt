package org.edgeswap.core

import java.io.ByteArrayOutputStream
import java.io.Closeable
import java.io.File
import java.io.OutputStream
import java.io.RandomAccessFile
import java.util.zip.DataFormatException
import java.util.zip.Inflater

/**
 * A bundle's .zip file, read with suspicion (bundle-1, section 1). Android's own ZipFile hides
 * links and doubled names, so the list of files is read here; it is a few lines.
 */
class ZipBundle(file: File) : Closeable {
    private class Entry(val method: Int, val packed: Long, val start: Long)

    private val file = RandomAccessFile(file, "r")
    private val entries: Map<String, Entry> = try {
        directory()
    } catch (error: Exception) {
        this.file.close()
        throw if (error is FormException) error else FormException("it is no readable .zip file")
    }

    val names: Set<String> get() = entries.keys

    /** Writes a file's bytes to [out], one more than [most] at the most; returns how many. */
    fun copy(path: String, most: Long, out: OutputStream): Long {
        val entry = entries[path] ?: throw FormException("$path is missing: get the bundle again")
        val inflater = if (entry.method == 0) null else Inflater(true)
        try {
            return unpack(entry, inflater, most + 1, out)
        } catch (error: DataFormatException) {
            throw FormException("$path is damaged: get the bundle again")
        } finally {
            inflater?.end()
        }
    }

    /** The whole of a small file. */
    fun read(path: String, most: Long): ByteArray {
        val out = ByteArrayOutputStream()
        if (copy(path, most, out) > most) throw FormException("$path is larger than $most bytes, so it is none")
        return out.toByteArray()
    }

    override fun close() = file.close()

    private fun unpack(entry: Entry, inflater: Inflater?, most: Long, out: OutputStream): Long {
        val given = ByteArray(1 shl 16)
        val made = ByteArray(1 shl 16)
        var left = entry.packed
        var done = 0L
        file.seek(entry.start)
        while (done < most) {
            if (inflater == null || inflater.needsInput()) {
                if (left == 0L) return done
                val count = file.read(given, 0, minOf(left, given.size.toLong()).toInt())
                if (count < 0) throw DataFormatException()
                left -= count
                if (inflater == null) {
                    val kept = minOf(count.toLong(), most - done).toInt()
                    out.write(given, 0, kept)
                    done += kept
                    continue
                }
                inflater.setInput(given, 0, count)
            }
            val count = inflater.inflate(made, 0, minOf(made.size.toLong(), most - done).toInt())
            out.write(made, 0, count)
            done += count
            if (inflater.finished()) return done
            if (count == 0 && (inflater.needsDictionary() || !inflater.needsInput())) throw DataFormatException()
        }
        return done
    }

    private fun directory(): Map<String, Entry> {
        val end = bytes(file.length() - 22, 22)
        val total = end.short(10)
        val length = end.int(12)
        if (end.int(0) != 0x06054b50L || end.short(20) != 0 || end.short(8) != total) throw FormException("it has no plain end of a .zip file")
        if (total > Spec.MOST_ENTRIES || length > Spec.MOST_DIRECTORY) throw FormException("it holds too many files")
        val list = bytes(end.int(16), length.toInt())
        val found = LinkedHashMap<String, Entry>()
        var at = 0
        repeat(total) {
            if (list.int(at) != 0x02014b50L) throw FormException("its list of files is damaged")
            val name = Json.utf8(list.copyOfRange(at + 46, at + 46 + list.short(at + 28)))
            val kind = (list.int(at + 38) shr 28).toInt() // of the Unix mode, which says what is a link
            val method = list.short(at + 10)
            if (name.endsWith("/") || kind !in listOf(0, 8)) throw FormException("$name is a link or no plain file, which no bundle holds")
            if (list.short(at + 8) and 1 != 0 || method !in listOf(0, 8)) throw FormException("$name is encrypted, or packed unusually")
            val local = bytes(list.int(at + 42), 30)
            if (local.int(0) != 0x04034b50L) throw FormException("its list of files is damaged")
            val start = list.int(at + 42) + 30 + local.short(26) + local.short(28)
            if (found.put(name, Entry(method, list.int(at + 20), start)) != null) throw FormException("$name is there twice")
            at += 46 + list.short(at + 28) + list.short(at + 30) + list.short(at + 32)
        }
        return found
    }

    private fun bytes(from: Long, count: Int): ByteArray = ByteArray(count).also { file.seek(from); file.readFully(it) }

    private fun ByteArray.short(at: Int): Int = (this[at].toInt() and 255) or ((this[at + 1].toInt() and 255) shl 8)

    private fun ByteArray.int(at: Int): Long = short(at).toLong() or (short(at + 2).toLong() shl 16)
}
