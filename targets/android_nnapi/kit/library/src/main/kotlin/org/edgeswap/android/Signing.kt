package org.edgeswap.android

import org.contentauth.c2pa.Builder
import org.contentauth.c2pa.ByteArrayStream
import org.contentauth.c2pa.C2PAContext
import org.contentauth.c2pa.C2PASettings
import org.contentauth.c2pa.DataStream
import org.contentauth.c2pa.KeyStoreSigner
import org.contentauth.c2pa.Reader
import org.contentauth.c2pa.SigningAlgorithm
import org.edgeswap.core.Spec
import org.edgeswap.core.Verdict
import org.json.JSONObject

/**
 * The key that signs, in Android's key store, with the certificate chain of its operator.
 *
 * @param chain PEM, the signing certificate first; no time stamp is asked for, so nothing connects
 */
class SigningIdentity(private val alias: String, private val chain: String) {
    fun sign(jpeg: ByteArray, definition: String, ingredient: String, target: ByteArray, targetType: String): ByteArray {
        // All assertions are the signer's own: c2pa-android lists others as merely gathered.
        val created = listOf(
            "c2pa.actions.v2", "c2pa.ingredient.v3", Spec.SWAP_ASSERTION, Spec.CONSENT_ASSERTION, Spec.TARGET_ASSERTION,
            Spec.LABEL_ASSERTION, Spec.SOFT_BINDING, Spec.IMPLICIT_ASSERTION,
        ).joinToString(",") { JSONObject.quote(it) }
        val settings = """{"version":1,"builder":{"created_assertion_labels":[$created],"thumbnail":{"enabled":false}},""" +
            """"verify":{"remote_manifest_fetch":false,"ocsp_fetch":false}}"""
        return C2PASettings.create().use { wanted ->
            wanted.updateFromString(settings, "json")
            C2PAContext.fromSettings(wanted).use { context ->
                Builder.fromContext(context).withDefinition(definition).use { builder ->
                    DataStream(target).use { builder.addIngredient(ingredient, targetType, it) }
                    KeyStoreSigner.createSigner(SigningAlgorithm.ES256, chain, alias).use { signer ->
                        ByteArrayStream().use { signed ->
                            DataStream(jpeg).use { plain -> builder.sign("image/jpeg", plain, signed, signer) }
                            signed.getData()
                        }
                    }
                }
            }
        }
    }

    /** Reads a signed file back, as [org.edgeswap.core.ReleaseGate] wants it. */
    fun verdict(signed: ByteArray): Verdict = DataStream(signed).use { stream ->
        Reader.fromStream("image/jpeg", stream).use { reader ->
            val store = JSONObject(reader.json())
            val active = store.getJSONObject("manifests").getJSONObject(store.getString("active_manifest"))
            val assertions = active.getJSONArray("assertions")
            val all = (0 until assertions.length()).map { assertions.getJSONObject(it) }
            val swap = all.singleOrNull { it.getString("label") == Spec.SWAP_ASSERTION }?.getJSONObject("data")
            Verdict(
                valid = store.optString("validation_state") in listOf("Valid", "Trusted"),
                createdLabels = all.filter { it.optBoolean("created") }.map { it.getString("label") }.toSet(),
                outputId = swap?.optString("outputId").orEmpty(),
            )
        }
    }
}
