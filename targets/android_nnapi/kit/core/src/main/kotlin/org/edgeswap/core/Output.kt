package org.edgeswap.core

import java.time.Instant
import java.util.UUID

/** A model that had a part in an output, as it really ran (assertions-1, section 4). */
class ModelUse(val card: Card, val backend: String, val provider: String, val engineVersion: String) {
    fun data() = mapOf(
        "name" to card.name, "kind" to card.kind, "sha256" to card.sha256, "precision" to card.precision, "backend" to backend,
        "provider" to provider, "engine_version" to engineVersion, "licence" to card.licence, "commercial" to card.commercial,
    )
}

/** What is said about one output, in manifest, implicit label and log. */
class SwapRecord(
    val permit: Permit, val label: LabelPlace, val models: List<ModelUse>, val bundle: String, val faces: Int,
    val targetSha256: String, val targetType: String, val agent: String, val version: String, val created: Instant,
) {
    val outputId = "urn:uuid:${UUID.randomUUID()}"
    val watermark = Watermark.identifier(outputId)
}

/** A swapped frame with label and watermark in its pixels: only [Swapping] makes one. */
class LabelledFrame internal constructor(val frame: Frame, val record: SwapRecord)

/** From a frame to a labelled frame: there is no way out of here without the label. */
class Swapping(private val bundle: Bundle, private val detection: Detection, private val card: Card, private val swapper: Runner) {
    fun swap(
        target: Frame, permit: Permit, language: String, models: List<ModelUse>, targetSha256: String, targetType: String,
        agent: String, version: String, now: Instant,
    ): LabelledFrame {
        val work = target.copy()
        val faces = detection.find(work)
        if (faces.isEmpty()) throw FormException("no face found; nothing was swapped")
        if (card.fit != "similarity") throw FormException("model ${card.name}: this app aligns by similarity, and its card says '${card.fit}'")
        val side = card.size.toLong()
        // All crops first, so that no face is cut out of a face that was swapped already.
        val crops = faces.map { card.align(it.landmarks) }.map { it to Crops.cut(work, it, card.size) }
        val regions = crops.map { (way, crop) ->
            val outputs = swapper.run(Crops.tensor(crop, card.input!!), longArrayOf(1, 3, side, side))
            val picture = Crops.picture(outputs[card.output] ?: outputs.values.first(), card)
            val given = if (card.mask.isEmpty()) null else outputs[card.mask] ?: throw FormException("model ${card.name}: gives no mask '${card.mask}'")
            val mask = given?.let { Crops.checked(it, card) }
            if (card.exactMask) Crops.layOver(work, crop, picture, mask!!, way) else Crops.paste(work, picture, Crops.mask(mask, card), way)
        }
        val place = Label.plan(work.width, work.height, regions, language)
        val record = SwapRecord(permit, place, models, bundle.contents.id, faces.size, targetSha256, targetType, agent, version, now)
        Label.draw(work, place)
        Watermark.draw(work, record.watermark)
        return LabelledFrame(work, record)
    }
}

object ImplicitLabel {
    fun fields(record: SwapRecord, producer: String): Map<String, String> {
        if (!Regex("[!-~&&[^\"\\\\]]+").matches(producer)) throw FormException("the producer's name must be printable ASCII without spaces")
        val id = record.outputId
        return linkedMapOf(
            "Label" to Spec.IS_GENERATED, "ContentProducer" to producer, "ProduceID" to id, "ReservedCode1" to "",
            "ContentPropagator" to producer, "PropagateID" to id, "ReservedCode2" to "",
        )
    }

    /** A JPEG with the implicit label in its XMP; one that the encoder wrote is left out. */
    fun put(jpeg: ByteArray, fields: Map<String, String>): ByteArray {
        val text = Json.plain(fields).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        val body = HEAD + Spec.XMP_PACKET.replace("@AIGC@", text).toByteArray()
        val size = body.size + 2
        val segment = byteArrayOf(-1, 0xE1.toByte(), (size shr 8).toByte(), size.toByte()) + body
        // After APP0, which readers want first.
        val start = if (jpeg.size > 5 && jpeg[3] == 0xE0.toByte()) 4 + jpeg.word(4) else 2
        return jpeg.copyOfRange(0, start) + segment + jpeg.copyOfRange(start, jpeg.size)
    }

    internal val HEAD = (Spec.XMP_HEAD + "\u0000").toByteArray()

    internal fun ByteArray.word(at: Int) = ((this[at].toInt() and 255) shl 8) or (this[at + 1].toInt() and 255)
}

object Manifest {
    /** The definition for C2PA's builder; every assertion is one that the signer attests. */
    fun definition(record: SwapRecord, implicit: Map<String, String>): String {
        val agent = mapOf("name" to record.agent, "version" to record.version)
        val whenMade = record.created.truncatedTo(java.time.temporal.ChronoUnit.SECONDS).toString()
        val converted = if (record.targetType == JPEG) emptyList() else listOf(mapOf("action" to "c2pa.converted", "when" to whenMade, "softwareAgent" to agent))
        val actions = listOf(
            mapOf("action" to "c2pa.opened", "parameters" to mapOf("ingredientIds" to listOf(INGREDIENT))),
            mapOf(
                "action" to "c2pa.edited", "when" to whenMade, "softwareAgent" to agent, "digitalSourceType" to Spec.SOURCE_TYPE,
                "description" to "face swap by AI; visible label '${record.label.text}' drawn",
            ),
            mapOf("action" to "c2pa.watermarked.bound", "when" to whenMade, "softwareAgent" to agent),
        ) + converted
        val assertions = listOf(
            "c2pa.actions.v2" to mapOf("actions" to actions, "allActionsIncluded" to true),
            Spec.SWAP_ASSERTION to swap(record, whenMade), Spec.CONSENT_ASSERTION to consent(record.permit),
            Spec.TARGET_ASSERTION to mapOf("sha256" to record.targetSha256), Spec.LABEL_ASSERTION to label(record.label),
            Spec.SOFT_BINDING to mapOf(
                "alg" to Spec.WATERMARK, "blocks" to listOf(mapOf("scope" to emptyMap<String, Any>(), "value" to record.watermark)), "pad" to "",
            ),
            Spec.IMPLICIT_ASSERTION to implicit,
        )
        return Json.plain(mapOf(
            "claim_generator_info" to listOf(agent + ("specVersion" to Spec.C2PA_SPECIFICATION)), "format" to JPEG,
            "assertions" to assertions.map { (name, data) -> mapOf("label" to name, "created" to true, "data" to data) },
        ))
    }

    const val JPEG = "image/jpeg"
    const val INGREDIENT = "target"

    /** The one ingredient: what was swapped into. */
    fun ingredient() = Json.plain(mapOf("title" to "target", "relationship" to "parentOf", "label" to INGREDIENT))

    private fun swap(record: SwapRecord, whenMade: String) = mapOf(
        "bundle" to record.bundle, "outputId" to record.outputId, "created" to whenMade, "medium" to record.permit.medium,
        "faces" to record.faces, "frames" to 1, "models" to record.models.map { it.data() },
    )

    private fun consent(permit: Permit) = mapOf(
        "consentId" to permit.consentId, "assurance" to permit.assurance, "purpose" to permit.purpose, "notAfter" to permit.notAfter.toString(),
        "identityCommitment" to permit.commitment, "targetStatement" to permit.target,
    )

    private fun label(place: LabelPlace) = mapOf(
        "text" to place.text, "language" to place.language, "style" to "words", "corner" to place.corner,
        "region" to data(place.region), "ink" to data(place.ink),
    )

    private fun data(region: Region) = mapOf("x" to region.x, "y" to region.y, "width" to region.width, "height" to region.height)
}

/** A signed JPEG that was read back and holds all that it must: only [ReleaseGate] makes one. */
class Releasable internal constructor(private val jpeg: ByteArray, val record: SwapRecord) {
    /**
     * Its bytes, for saving and sharing. That may be long after the swap, so the permit is checked
     * again: where the consent has ended or was revoked, a [BundleException] says so.
     */
    fun bytes(): ByteArray {
        record.permit.check()
        return jpeg
    }
}

/** What [ReleaseGate] asks C2PA about a signed file. */
class Verdict(val valid: Boolean, val createdLabels: Set<String>, val outputId: String)

/**
 * The one door out. Saving and sharing take a [Releasable], and a picture becomes one only when the
 * signed bytes themselves show the label, carry the implicit label, and hold the manifest of this swap.
 */
object ReleaseGate {
    /**
     * @param signed the signed JPEG, and [decoded] its pixels as the platform decodes them
     * @param verify reads its manifest with C2PA
     */
    fun release(signed: ByteArray, decoded: Frame, record: SwapRecord, verify: (ByteArray) -> Verdict): Releasable {
        fun refuse(what: String): Nothing = throw FormException("refused: the picture $what; it is neither saved nor shared")
        if (!Label.isThere(decoded, record.label)) refuse("does not show its label")
        val segments = segments(signed)
        val packet = segments.filter { it.first == 0xE1 }.map { it.second }.singleOrNull { starts(it, ImplicitLabel.HEAD) }
        if (packet == null || !String(packet, Charsets.UTF_8).contains("\"ProduceID\":\"${record.outputId}\"")) refuse("carries no implicit label of this swap")
        // C2PA's store lies in APP11 segments, as JUMBF.
        if (segments.none { it.first == 0xEB && String(it.second, Charsets.ISO_8859_1).contains("jumb") }) refuse("carries no manifest")
        val verdict = verify(signed)
        if (!verdict.valid) refuse("does not verify")
        if (verdict.outputId != record.outputId) refuse("carries the manifest of another swap")
        val wanted = listOf(Spec.SWAP_ASSERTION, Spec.CONSENT_ASSERTION, Spec.TARGET_ASSERTION, Spec.LABEL_ASSERTION, Spec.IMPLICIT_ASSERTION)
        (wanted - verdict.createdLabels).firstOrNull()?.let { refuse("has a manifest without $it") }
        return Releasable(signed, record)
    }

    private fun starts(data: ByteArray, head: ByteArray) = data.size >= head.size && head.indices.all { data[it] == head[it] }

    private fun segments(jpeg: ByteArray): List<Pair<Int, ByteArray>> {
        val found = ArrayList<Pair<Int, ByteArray>>()
        var at = 2
        while (at + 4 <= jpeg.size && jpeg[at] == (-1).toByte()) {
            val marker = jpeg[at + 1].toInt() and 255
            if (marker == 0xDA || marker == 0xD9) break
            val length = with(ImplicitLabel) { jpeg.word(at + 2) }
            if (length < 2 || at + 2 + length > jpeg.size) break
            found.add(marker to jpeg.copyOfRange(at + 4, at + 2 + length))
            at += 2 + length
        }
        return found
    }
}
