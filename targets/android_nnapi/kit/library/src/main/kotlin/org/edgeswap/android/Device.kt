package org.edgeswap.android

import android.content.Context
import android.os.Build
import java.io.File
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters
import org.bouncycastle.crypto.signers.Ed25519Signer
import org.edgeswap.core.Device
import org.edgeswap.core.Ed25519
import org.edgeswap.core.Revocation
import org.edgeswap.core.Storage
import org.edgeswap.core.sha256

/** Ed25519 on every API level: Android's own java.security knows it on newer ones only. */
object BouncyEd25519 : Ed25519 {
    override fun fits(key: ByteArray, message: ByteArray, signature: ByteArray): Boolean = try {
        Ed25519Signer().run {
            init(false, Ed25519PublicKeyParameters(key, 0))
            update(message, 0, message.size)
            verifySignature(signature)
        }
    } catch (error: IllegalArgumentException) {
        false // no point of the curve
    }
}

/** What this phone is, and what its operator trusts: files in the app's own folder, nobody else's. */
class Phone(context: Context) {
    private val home = context.filesDir
    private val revocations = File(home, "revocations").apply { mkdirs() }

    /** Where bundles lie unpacked, each as long as its consent is in force. */
    internal val bundles = File(context.noBackupFilesDir, "bundles").apply { mkdirs() }

    /** Builders' keys, 64 hex digits, one a line. */
    private val builders = File(home, "trusted-builders.txt")

    fun trust(key: String) {
        require(Regex("[0-9a-f]{64}").matches(key)) { "a builder's key is 64 lower-case hex digits" }
        builders.appendText("$key\n")
    }

    /** Takes a revocation over, from then on and for good; what was unpacked of the bundle goes. */
    fun import(revocation: ByteArray) {
        val found = Revocation.parse(revocation, BouncyEd25519)
        Storage.replace(File(revocations, "${sha256(found.consentId.toByteArray())}-${found.signer.take(16)}"), revocation)
        Storage.sweep(bundles, device())
    }

    fun device() = Device(
        ed = BouncyEd25519,
        architecture = if (Build.SUPPORTED_64_BIT_ABIS.firstOrNull() == "arm64-v8a") "aarch64" else "x86_64",
        apiLevel = Build.VERSION.SDK_INT,
        cpuFeatures = features(),
        engines = mapOf("ort" to BuildConfig.ONNXRUNTIME),
        providers = setOf("NnapiExecutionProvider", "XnnpackExecutionProvider", "CPUExecutionProvider"),
        trustedBuilders = if (builders.isFile) builders.readLines().toSet() else emptySet(),
        revocations = { Storage.whole(revocations).map { it.readBytes() } },
    )

    private fun features(): Set<String> = File("/proc/cpuinfo").useLines { lines ->
        lines.firstOrNull { it.startsWith("Features") }?.substringAfter(':')?.trim()?.split(" ")?.toSet().orEmpty()
    }
}
