package org.edgeswap.core

import java.io.File
import java.io.FileOutputStream
import java.io.IOException

/** What this kit leaves on the phone: whole or not at all, and no longer than a consent is in force. */
object Storage {
    /** Writes a file so that the old one or all of the new one is there, whenever the power fails. */
    fun replace(file: File, data: ByteArray) {
        val part = File(file.parentFile, ".${file.name}.part")
        try {
            FileOutputStream(part).use { it.write(data); it.fd.sync() }
            if (!part.renameTo(file)) throw IOException("${file.name} cannot be written")
        } finally {
            part.delete()
        }
    }

    /** The files of a folder, but for those that [replace] did not end. */
    fun whole(folder: File): List<File> = folder.listFiles().orEmpty().filter { it.isFile && !it.name.startsWith(".") }

    /**
     * Removes unpacked bundles whose consent is not in force here any more, and what was left half
     * unpacked: a person who takes back the leave does not stay on the phone as a model.
     *
     * @param cache the folder that [Opening.open] unpacks into, while nothing is being opened
     */
    fun sweep(cache: File, device: Device) {
        for (folder in cache.listFiles().orEmpty()) if (!inForce(folder, device)) folder.deleteRecursively()
    }

    private fun inForce(folder: File, device: Device): Boolean = !folder.name.startsWith(".") && try {
        Opening.checkInForce(Consent.parse(File(folder, Contents.CONSENT).readBytes(), device.ed), device)
        true
    } catch (error: BundleException) {
        false
    } catch (error: FormException) {
        false
    } catch (error: IOException) {
        false // no bundle of this kit's
    }
}
