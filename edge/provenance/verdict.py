"""What verifying a file found: separate facts, and the exit status that follows from them.

There is no single word for "genuine" here, on purpose: a file without a manifest is unknown, and
an intact one says only what its signer says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edge.provenance.findings import Integrity

if TYPE_CHECKING:
    from edge.provenance.watermark.detect import Found

ManifestState = Literal["present", "absent", "unreadable", "remote"]
"""`remote`: only a URL stands in the file, and it was not fetched."""

SignerStatus = Literal["trusted", "unknown", "expired", "revoked"]

TRUSTED = 0
NOT_MEDIA = 2
SIGNER_UNKNOWN = 3
TAMPERED = 4
NO_MANIFEST = 5

_WORST_FIRST = (NOT_MEDIA, TAMPERED, NO_MANIFEST, SIGNER_UNKNOWN, TRUSTED)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed the manifest.

    Attributes:
        name: Common name in the signing certificate.
        issuer: Organisation in it.
        algorithm: Of the signature.
        trusted: Whether the chain ends at an anchor of this device.
        anchor: Which: "this device", "imported chain: NAME", or the anchor's file name.
        status: trusted, unknown, expired (and no trusted time stamp helps) or revoked.
        not_after: End of the certificate's validity, RFC 3339 text.
        revoked: When the certificate was revoked, RFC 3339 text; None where nothing is known.
        certificate_sha256: Fingerprint of the signing certificate, hex.
    """

    name: str | None
    issuer: str | None
    algorithm: str | None
    trusted: bool
    anchor: str | None
    status: SignerStatus = "unknown"
    not_after: str | None = None
    revoked: str | None = None
    certificate_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SigningTime:
    """When it was signed.

    Attributes:
        signed: RFC 3339 text; the signer's own word unless it is time-stamped.
        time_stamped: Whether a trusted time stamp confirms it.
        claimed: The signer's own word, whether there is a time stamp or not.
        stamp: What the manifest's time stamp states, trusted or not; None without one.
        authority: Name of the certificate that made the time stamp.
        spoiled: Whether there is a time stamp that cannot be read or does not fit the signature.
    """

    signed: str | None
    time_stamped: bool
    claimed: str | None = None
    stamp: str | None = None
    authority: str | None = None
    spoiled: bool = False


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that went into this one, with its own state as recorded by the signer.

    Attributes:
        title: As the manifest has it.
        relationship: parentOf, componentOf or inputTo.
        format: Media type.
        manifest: Whether it carried a manifest of its own.
        integrity: Of that manifest; None without one.
        failures: Codes of what did not hold.
        signer: Common name of its signer.
        ingredients: Its own ingredients.
    """

    title: str | None
    relationship: str | None
    format: str | None
    manifest: Literal["present", "absent"]
    integrity: Integrity | None
    failures: tuple[str, ...]
    signer: str | None
    ingredients: tuple[Ingredient, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """One action that the manifest states.

    Attributes:
        action: Its name, such as c2pa.edited.
        when: RFC 3339 text.
        software: Name and version of what did it.
        digital_source_type: Last part of the IPTC or C2PA URI.
        description: Free text.
    """

    action: str
    when: str | None
    software: str | None
    digital_source_type: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Live:
    """What the manifest says of the live stream that a file is part of; its signer's word.

    Attributes:
        stream: The stream's id.
        part: frame or segment.
        index: Its place in the stream.
        begins: Milliseconds from the stream's beginning.
        length: Milliseconds, of a segment.
        previous: Hex digest of the segment before it; empty where it names none.
        last: Whether no segment comes after it.
        source: camera, network, file or synthetic.
    """

    stream: str
    part: str
    index: int
    begins: int
    length: int
    previous: str
    last: bool
    source: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the active manifest says, once its signature was looked at.

    Attributes:
        generator: Software that made the claim.
        time: Signing time.
        ingredients: What went into the file.
        actions: What was done.
        models: Our own assertion: models with name, sha256, precision, backend, provider ...
        consent: Our own assertion: id, assurance, purpose ...
        target_sha256: Our own assertion: digest of the target file.
        visible_label: Our own assertion: text and place of the visible label.
        output_id: Our own assertion: the output's id.
        implicit_label: Our own assertion: the seven fields that the file's implicit label has.
        watermark: Id of the watermark that the soft binding names, where it is of our algorithm.
        bundle: Our own assertion: id of the bundle that the models are of.
        live: Our own assertion: which part of a live stream it is.
    """

    generator: str | None
    time: SigningTime
    ingredients: tuple[Ingredient, ...]
    actions: tuple[Action, ...]
    models: tuple[dict[str, str], ...]
    consent: dict[str, str] | None
    target_sha256: str | None
    visible_label: dict[str, Any] | None
    output_id: str | None
    implicit_label: dict[str, str] | None = None
    watermark: str | None = None
    bundle: str | None = None
    live: Live | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether implicit label and manifest say the same; None where one of them says nothing.

    Attributes:
        produce_id: The label's ProduceID is the manifest's output id.
        made_by_ai: Both say, or neither says, that AI made or changed it.
        differs: Names of the label's fields that are not what the manifest states them to be.
        watermark: The watermark that was found is the one that the manifest names.
    """

    produce_id: bool | None = None
    made_by_ai: bool | None = None
    differs: tuple[str, ...] = ()
    watermark: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that verifying one file found.

    Attributes:
        file: Path as it was given.
        media_type: By content, not by name; None for what is not media.
        problem: Why the file cannot be read, or what is broken in its container.
        manifest: present, absent (unknown, not genuine), unreadable or remote.
        manifest_source: embedded, sidecar or fetched, where present.
        manifest_url: URL that the file names for its manifest.
        integrity: intact, tampered or invalid; None where there is no manifest to tell by.
        failures: Codes of what did not hold.
        signer: Who signed.
        claims: What the manifest says.
        implicit_label: The seven AIGC fields.
        agreement: Between implicit label, watermark and manifest.
        watermark: What was read in the pixels; alone it proves nothing.
        notes: What a reader should know besides.
        exit_status: 0 intact and from a trusted signer, 3 intact but signer unknown, 4 tampered or
            unreadable or broken, 5 no manifest, 2 not media, unsupported or not readable.
    """

    file: str
    exit_status: int
    media_type: str | None = None
    problem: str | None = None
    manifest: ManifestState = "absent"
    manifest_source: str | None = None
    manifest_url: str | None = None
    integrity: Integrity | None = None
    failures: tuple[str, ...] = ()
    signer: Signer | None = None
    claims: Claims | None = None
    implicit_label: dict[str, str] | None = None
    agreement: Agreement = field(default_factory=Agreement)
    watermark: Found | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as the JSON object that `edge verify --json` prints."""
        claims = asdict(self.claims) if self.claims is not None else {}
        return {
            "file": self.file,
            "exit_status": self.exit_status,
            "media_type": self.media_type,
            "problem": self.problem,
            "manifest": self.manifest,
            "manifest_source": self.manifest_source,
            "manifest_url": self.manifest_url,
            "integrity": self.integrity,
            "failures": list(self.failures),
            "signer": asdict(self.signer) if self.signer is not None else None,
            "time": claims.get("time"),
            "generator": claims.get("generator"),
            "output_id": claims.get("output_id"),
            "bundle": claims.get("bundle"),
            "live": claims.get("live"),
            "ingredients": claims.get("ingredients", ()),
            "actions": claims.get("actions", ()),
            "models": claims.get("models", ()),
            "consent": claims.get("consent"),
            "target_sha256": claims.get("target_sha256"),
            "visible_label": claims.get("visible_label"),
            "implicit_label": self.implicit_label,
            "implicit_label_signed": claims.get("implicit_label"),
            "agreement": asdict(self.agreement),
            "watermark": asdict(self.watermark) if self.watermark is not None else None,
            "notes": list(self.notes),
        }


def worst(statuses: Iterable[int]) -> int:
    """Return the worst exit status of several files, in the order 2, 4, 5, 3, 0."""
    return min(statuses, key=_WORST_FIRST.index)
