package org.edgeswap.core

import java.io.File
import java.security.DigestOutputStream
import java.security.MessageDigest
import java.time.Instant

/** Why a bundle is not opened: the [step] of bundle-1, section 6, and one line for people. */
class BundleException(val step: Int, message: String) : Exception(message)

/** What the device knows and its operator has decided; nothing of it comes from a bundle. */
class Device(
    val ed: Ed25519,
    val architecture: String,
    val apiLevel: Int,
    val cpuFeatures: Set<String>,
    val engines: Map<String, String>, // by name, with its version: "ort" to "1.24.3"
    val providers: Set<String>, // of ONNX Runtime, that are in this app
    val trustedBuilders: Set<String>,
    val trustedIssuers: Set<String> = emptySet(),
    val ownKey: String = "",
    val refusedLevels: Set<String> = emptySet(), // the policy: levels of assurance that do not do
    val revocations: () -> List<ByteArray> = { emptyList() },
    val now: () -> Instant = Instant::now,
)

/** Leave for one output, checked at that moment. */
class Permit internal constructor(
    val consentId: String, val assurance: String, val purpose: String, val medium: String,
    val commitment: String, val target: String, val notAfter: Instant, private val again: () -> Unit,
) {
    /** Checks all of it again: a consent may have ended, or been revoked, since. */
    fun check() = again()
}

/** An open bundle: whole, signed by somebody trusted here, in force, and for this device. */
class Bundle internal constructor(
    val contents: Contents, val folder: File, val cards: Map<String, Card>, val variants: List<Variant>,
    private val seal: Seal, private val consent: Consent, private val device: Device,
) {
    fun model(card: Card) = File(folder, "models/${card.file}")

    /** Before EVERY output: the seal's dates, the consent, its revocations, and that it covers this. */
    fun permit(purpose: String, medium: String, target: String): Permit {
        Opening.checkDates(seal, device)
        Opening.checkInForce(consent, device)
        if (purpose !in consent.purposes) throw BundleException(7, "refused: the consent of ${consent.subject} does not cover the purpose '$purpose'")
        if (medium !in consent.media) throw BundleException(7, "refused: the consent of ${consent.subject} does not cover the medium '$medium'")
        // A target person's own consent file is not read by this kit, so consent:<id> is no statement here.
        if (target !in Spec.STATEMENTS || consent.targets.none { it == "any" || it == target })
            throw BundleException(7, "refused: the consent of ${consent.subject} does not permit a target that is '$target'")
        val level = consent.assurance(device.trustedIssuers, device.ownKey)
        return Permit(consent.id, level, purpose, medium, contents.identity, target, consent.notAfter) { permit(purpose, medium, target) }
    }
}

/** Opens bundles: the checks of bundle-1, section 6, in their order; the first that fails ends it. */
object Opening {
    /** Opens a .zip file; it is unpacked into [cache] only once steps 1 to 8 have passed. */
    fun open(zip: File, cache: File, device: Device): Bundle {
        val holder = step(1) { ZipBundle(zip) }
        holder.use { return opened(it, cache, device) }
    }

    private fun opened(holder: ZipBundle, cache: File, device: Device): Bundle {
        val contents = step(2) { Contents.parse(holder.read(Contents.NAME, Spec.MOST_CONTENTS)) }
        val seal = step(3) { Seal.parse(holder.read(Contents.SEAL, Spec.MOST_SEAL)) }
        if (seal.bundle != contents.id) throw BundleException(3, "bundle.toml was changed after the bundle was signed: get the bundle again")
        val latest = seal.signed.plusSeconds(Spec.LIFE_SECONDS)
        if (!seal.signatureFits(device.ed)) throw BundleException(4, "the signature in bundle.sig does not fit: get the bundle again")
        if (seal.signed > seal.expires || seal.expires > latest) throw BundleException(4, "bundle.sig gives the bundle more than 90 days, or less than none")
        if (seal.key !in device.trustedBuilders && seal.key != device.ownKey)
            throw BundleException(5, "signed by the key ${seal.key}, which this device does not trust")
        checkDates(seal, device)
        val consent = consentOf(holder, contents, seal, device)
        if (contents.architecture != device.architecture)
            throw BundleException(8, "built for ${contents.target} (${contents.architecture}), and this is ${device.architecture}")
        val folder = unpacked(holder, contents, cache)
        val cards = cardsOf(folder, contents)
        return Bundle(contents, folder, cards, fitting(contents, cards, device), seal, consent, device)
    }

    internal fun checkDates(seal: Seal, device: Device) {
        val now = device.now()
        if (now.plusSeconds(Spec.SKEW_SECONDS) < seal.signed) throw BundleException(6, "signed on ${seal.signed}, and it is $now: is the clock of this device right?")
        if (now > seal.expires) throw BundleException(6, "expired on ${seal.expires}: renew it where it was built")
    }

    private fun consentOf(holder: ZipBundle, contents: Contents, seal: Seal, device: Device): Consent {
        val part = contents.part(Contents.CONSENT)
            ?: throw BundleException(7, "holds nobody's identity: this app takes bundles with somebody baked in")
        val data = step(7) { holder.read(part.path, minOf(part.size, Spec.MOST_RECORD)) }
        if (sha256(data) != part.sha256) throw BundleException(9, "consent.json was changed after the bundle was signed: get the bundle again")
        val consent = step(7) { Consent.parse(data, device.ed) }
        if (consent.id != contents.consent) throw BundleException(7, "consent.json is not the consent that bundle.toml names")
        if (seal.expires > consent.notAfter) throw BundleException(7, "its seal outlives the consent, which ends on ${consent.notAfter}")
        checkInForce(consent, device)
        return consent
    }

    internal fun checkInForce(consent: Consent, device: Device) {
        val whose = "the consent of ${consent.subject}"
        for (data in device.revocations()) {
            // One that cannot be read any more may be of this consent: it must be known what it said.
            val found = step(7) { Revocation.parse(data, device.ed) }
            if (found.consentId == consent.id && consent.mayBeRevokedBy(found.signer, device.trustedIssuers))
                throw BundleException(7, "refused: $whose was revoked on ${found.revokedAt} (${found.reason})")
        }
        val now = device.now()
        if (now < consent.notBefore) throw BundleException(7, "refused: $whose starts on ${consent.notBefore}, and it is $now")
        if (now > consent.notAfter) throw BundleException(7, "refused: $whose expired on ${consent.notAfter}")
        val level = consent.assurance(device.trustedIssuers, device.ownKey)
        if (level in device.refusedLevels) throw BundleException(7, "refused: $whose is $level, which this device's policy does not accept")
    }

    private fun unpacked(holder: ZipBundle, contents: Contents, cache: File): File {
        val named = contents.parts.map { it.path }.toSet()
        (holder.names - named - Contents.NAME - Contents.SEAL).minOrNull()?.let { throw BundleException(9, "${it.take(200)} is no part of the bundle") }
        val folder = File(cache, contents.id)
        val staging = File(cache, ".${contents.id}.part")
        if (folder.isDirectory && contents.parts.all { intact(File(folder, it.path), it) }) return folder
        folder.deleteRecursively()
        staging.deleteRecursively()
        try {
            for (part in contents.parts) {
                val target = File(staging, part.path)
                target.parentFile!!.mkdirs()
                val digest = MessageDigest.getInstance("SHA-256")
                val size = step(9) { DigestOutputStream(target.outputStream(), digest).use { holder.copy(part.path, part.size, it) } }
                if (size != part.size || hexOf(digest.digest()) != part.sha256)
                    throw BundleException(9, "${part.path} was changed after the bundle was signed: get the bundle again")
            }
            if (!staging.renameTo(folder)) throw BundleException(9, "cannot be unpacked: is there space left?")
        } catch (error: java.io.IOException) {
            throw BundleException(9, "cannot be unpacked: ${error.message}")
        } finally {
            staging.deleteRecursively()
        }
        return folder
    }

    private fun intact(file: File, part: Part): Boolean {
        if (!file.isFile || file.length() != part.size) return false
        val digest = MessageDigest.getInstance("SHA-256")
        file.inputStream().use { input ->
            val block = ByteArray(1 shl 16)
            while (true) {
                val count = input.read(block)
                if (count < 0) break
                digest.update(block, 0, count)
            }
        }
        return hexOf(digest.digest()) == part.sha256
    }

    private fun cardsOf(folder: File, contents: Contents): Map<String, Card> = step(10) {
        val wanted = setOf(contents.detector) + contents.masks + contents.variants.map { it.card }
        val cards = contents.parts.filter { it.path.startsWith("cards/") }
            .map { Card.parse(File(folder, it.path).readBytes()) }
        if (cards.map { it.name }.toSet().size != cards.size) throw FormException("two cards have one name")
        val named = cards.associateBy { it.name }
        for (name in wanted) {
            val card = named[name] ?: throw FormException("holds no card '${name.take(80)}'")
            if (contents.part("models/${card.file}")?.sha256 != card.sha256) throw FormException("holds no file that its card '${name.take(80)}' means")
            if (card.baked && card.identity.isNotEmpty() && card.identity != contents.identity)
                throw FormException("its card '${name.take(80)}' is of another identity")
        }
        named
    }

    private fun fitting(contents: Contents, cards: Map<String, Card>, device: Device): List<Variant> {
        val reasons = contents.variants.associateWith { reason(it, cards.getValue(it.card), device) }
        val fits = contents.variants.filter { reasons.getValue(it).isEmpty() }
        if (fits.isEmpty()) throw BundleException(11, "nothing in it runs here: " + contents.variants.joinToString("; ") { "${it.name}: ${reasons[it]}" })
        return fits
    }

    private fun reason(variant: Variant, card: Card, device: Device): String {
        val version = device.engines[variant.engine]
        val provider = variant.providers.first()
        return when {
            version == null -> "${variant.engine} is not in this app"
            older(version, variant.oldest) -> "${variant.engine} $version is older than ${variant.oldest}"
            variant.engine == "ort" && provider !in device.providers -> "$provider is not in this app"
            !device.cpuFeatures.containsAll(variant.cpu) -> "the processor lacks ${(variant.cpu - device.cpuFeatures).joinToString(", ")}"
            variant.api != null && device.apiLevel !in variant.api -> "it is for API levels ${variant.api.first} to ${variant.api.last}, and this is ${device.apiLevel}"
            !card.baked -> "its model takes an identity, and this app runs models with somebody baked in"
            else -> ""
        }
    }

    private fun older(version: String, oldest: String): Boolean {
        fun numbers(text: String) = Regex("[0-9]+").findAll(text).map { it.value.toInt() }.toList()
        val (here, wanted) = numbers(version) to numbers(oldest)
        for (at in wanted.indices) {
            val found = here.getOrElse(at) { 0 }
            if (found != wanted[at]) return found < wanted[at]
        }
        return false
    }

    private fun <T> step(number: Int, body: () -> T): T = try {
        body()
    } catch (error: FormException) {
        throw BundleException(number, error.message ?: "malformed")
    }
}
