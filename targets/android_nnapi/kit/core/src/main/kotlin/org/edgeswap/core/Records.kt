package org.edgeswap.core

import java.time.Instant

private const val KEY = 64
private const val SIGNATURE = 128

/** bundle.sig: who answers for a bundle, and until when. */
class Seal(val bundle: String, val signed: Instant, val expires: Instant, val key: String, private val record: Map<String, Any?>) {
    fun signatureFits(ed: Ed25519) = ed.signed(record - "signature", key, record["signature"] as String)

    companion object {
        fun parse(data: ByteArray): Seal {
            val record = Json.parseObject(data)
            val fields = Fields(record)
            fields.choice("schema", listOf(Spec.SEAL))
            val seal = Seal(fields.hex("bundle", KEY), fields.time("signed"), fields.time("expires"), fields.hex("key", KEY), record)
            fields.hex("signature", SIGNATURE)
            fields.done()
            return seal
        }
    }
}

/** consent.json, its signatures checked. What level it claims does not count: see [assurance]. */
class Consent private constructor(
    val id: String, val subject: String, val purposes: List<String>, val media: List<String>,
    val targets: List<String>, val notBefore: Instant, val notAfter: Instant, val issuer: String,
    val witness: String?, private val claim: String,
) {
    /** The level that this device works out (bundle-1, section 3). */
    fun assurance(trustedIssuers: Set<String>, ownKey: String): String = when {
        claim == "synthetic" -> claim
        issuer in trustedIssuers -> "trusted-issuer"
        witness != null && witness != issuer && witness != ownKey -> "agent-attested"
        else -> "self-attested"
    }

    /** Whether a revocation's signer may end this consent. */
    fun mayBeRevokedBy(key: String, trustedIssuers: Set<String>) = key == issuer || key == witness || key in trustedIssuers

    companion object {
        fun parse(data: ByteArray, ed: Ed25519): Consent {
            val record = Json.parseObject(data)
            val fields = Fields(record)
            fields.choice("schema", listOf(Spec.CONSENT))
            statements(fields.fields("statements"))
            val permits = fields.fields("permits")
            val purposes = words(permits.texts("purposes"), Spec.PURPOSES)
            val media = words(permits.texts("media"), Spec.MEDIA)
            val targets = permits.texts("targets")
            if (targets.none { it == "any" || it in Spec.STATEMENTS || it.startsWith("consent:") })
                throw FormException("it permits no target")
            permits.done()
            val assurance = fields.fields("assurance")
            val claim = assurance.choice("level", Spec.LEVELS)
            val witness = if (assurance.has("witness")) witnessOf(assurance.fields("witness")) else null
            assurance.done()
            photos(fields.fields("photos"))
            val issuer = fields.fields("issuer")
            val key = issuer.hex("public_key", KEY)
            issuer.done()
            fields.time("created")
            fields.text("granted_by")
            fields.texts("enrollers")
            val consent = Consent(
                fields.matching("id", Spec.UUID), fields.text("subject"), purposes, media, targets,
                fields.time("not_before"), fields.time("not_after"), key, witness?.first, claim,
            )
            val signature = fields.hex("signature", SIGNATURE)
            fields.done()
            consent.checkSense()
            if (!ed.signed(record - "signature", key, signature)) throw FormException("it was changed after it was signed")
            if (witness != null && !ed.signed(witnessed(record), witness.first, witness.second))
                throw FormException("the witness's signature does not fit")
            return consent
        }

        private fun statements(fields: Fields) {
            if (!fields.flag("adult") || fields.flag("intimate_use"))
                throw FormException("it is a consent to what is forbidden: minors, or intimate use")
            fields.choice("adult_basis", listOf("date-of-birth", "statement"))
            fields.done()
        }

        private fun words(found: List<String>, known: List<String>): List<String> {
            if (found.isEmpty() || !known.containsAll(found)) throw FormException("it permits nothing, or something unknown")
            return found
        }

        private fun photos(fields: Fields) {
            fields.hex("salt", 64)
            if (fields.texts("sha256").isEmpty()) throw FormException("it names no source pictures")
            fields.done()
        }

        private fun witnessOf(fields: Fields): Pair<String, String> {
            fields.text("name")
            fields.hex("form_sha256", 64)
            return Pair(fields.hex("public_key", KEY), fields.hex("signature", SIGNATURE)).also { fields.done() }
        }

        /** What a witness signs: all but the two signatures, under a schema of its own. */
        @Suppress("UNCHECKED_CAST")
        private fun witnessed(record: Map<String, Any?>): Map<String, Any?> {
            val assurance = record["assurance"] as Map<String, Any?>
            val witness = assurance["witness"] as Map<String, Any?>
            return record - "signature" + ("schema" to Spec.WITNESS) +
                ("assurance" to assurance + ("witness" to witness - "signature"))
        }
    }

    private fun checkSense() {
        if (notAfter <= notBefore) throw FormException("it ends before it starts")
        if ((claim == "synthetic") != (subject == Spec.NOBODY)) throw FormException("a synthetic consent, and no other, has the subject '${Spec.NOBODY}'")
        if ((claim == "agent-attested") != (witness != null)) throw FormException("an agent-attested consent, and no other, has a witness")
    }
}

/** A revocation whose signature fits; whether it counts is for [Consent.mayBeRevokedBy]. */
class Revocation(val consentId: String, val revokedAt: Instant, val reason: String, val signer: String) {
    companion object {
        fun parse(data: ByteArray, ed: Ed25519): Revocation {
            val record = Json.parseObject(data)
            val fields = Fields(record)
            fields.choice("schema", listOf(Spec.REVOCATION))
            val signer = fields.fields("signer")
            val found = Revocation(fields.text("consent_id"), fields.time("revoked_at"), fields.text("reason"), signer.hex("public_key", KEY))
            signer.done()
            val signature = fields.hex("signature", SIGNATURE)
            fields.done()
            if (!ed.signed(record - "signature", found.signer, signature)) throw FormException("it was changed after it was signed")
            return found
        }
    }
}
