package org.edgeswap.core

import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.Signature
import java.security.spec.X509EncodedKeySpec

/** Checks Ed25519 signatures; Android's own java.security knows them from some versions on only. */
fun interface Ed25519 {
    /** Whether [signature] (64 bytes) of [key] (32 bytes) fits [message]. */
    fun fits(key: ByteArray, message: ByteArray, signature: ByteArray): Boolean
}

/** By the platform's java.security: JDK 15 and up. */
object PlatformEd25519 : Ed25519 {
    private val HEAD = bytesOf("302a300506032b6570032100") // SubjectPublicKeyInfo of Ed25519

    override fun fits(key: ByteArray, message: ByteArray, signature: ByteArray): Boolean = try {
        val public = KeyFactory.getInstance("Ed25519").generatePublic(X509EncodedKeySpec(HEAD + key))
        Signature.getInstance("Ed25519").run {
            initVerify(public)
            update(message)
            verify(signature)
        }
    } catch (error: GeneralSecurityException) {
        false // no point of the curve, or no signature
    }
}

fun bytesOf(hex: String): ByteArray = ByteArray(hex.length / 2) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }

fun hexOf(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }

fun sha256(data: ByteArray): String = hexOf(java.security.MessageDigest.getInstance("SHA-256").digest(data))

internal fun Ed25519.signed(record: Map<String, Any?>, key: String, signature: String): Boolean =
    fits(bytesOf(key), Json.canonical(record), bytesOf(signature))
