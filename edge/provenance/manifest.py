"""The C2PA manifest of an output: what it says, and signing it so that it verifies.

The target file is the parent ingredient; the source person appears only as a salted commitment.
Every assertion is marked `created`, because the library otherwise lists it as gathered, which is
to say not attested by the signer.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from edge.errors import MediaError, OutputError, ProvenanceError
from edge.interrupts import held_back
from edge.provenance.container import Kind, has_c2pa, sniff
from edge.provenance.engine import context
from edge.provenance.findings import integrity_of
from edge.provenance.implicit import ImplicitLabel, implicit_label, read_implicit
from edge.provenance.signer import CallbackSigner, SigningKey, ready_to_sign, root_pem
from edge.provenance.watermark.identifier import ALGORITHM, watermark_id
from edge.provenance.xmp import COMPOSITE_WITH_AI
from edge.publish import writing_failed

if TYPE_CHECKING:
    import datetime

    from edge.records import LivePart, SwapRecord

SWAP = "org.edge-swap.swap"
CONSENT = "org.edge-swap.consent"
TARGET = "org.edge-swap.target"
LABEL = "org.edge-swap.label"
IMPLICIT = "org.edge-swap.implicit-label"
LIVE = "org.edge-swap.live"
"""Labels of our own assertions."""

SOFT_BINDING = "c2pa.soft-binding"
"""Label of the specification's assertion that ties a watermark to a manifest."""

_SPECIFICATION = "2.4"
_INGREDIENT = "target"

ParentState = Literal["absent", "intact", "tampered", "unreadable"]


@dataclass(frozen=True, slots=True)
class Signed:
    """What signing found out.

    Attributes:
        parent: State of the manifest that the target file itself carried: absent, intact,
            tampered, or unreadable (then it is not in the chain).
    """

    parent: ParentState


def timestamp(moment: datetime.datetime) -> str:
    """Return a UTC time as RFC 3339 text with Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def manifest_for(
    record: SwapRecord,
    media_type: str,
    title: str | None = None,
    *,
    target_type: str | None = None,
    implicit: ImplicitLabel | None = None,
) -> dict[str, Any]:
    """Return the manifest definition of an output, without its ingredient.

    Args:
        record: What was done.
        media_type: Of the output.
        title: Title of the output; none by default, because file names are personal.
        target_type: Media type of the target file, where known; a change of it is an action.
        implicit: The implicit label that the file carries; the record's by default.
    """
    name, _, version = record.generator.rpartition(" ")
    agent = {"name": name or version, "version": version}
    target = [_assertion(TARGET, {"sha256": record.target_sha256})] if record.live is None else []
    live = [] if record.live is None else [_assertion(LIVE, _live(record.live))]
    definition: dict[str, Any] = {
        "claim_generator_info": [{**agent, "specVersion": _SPECIFICATION}],
        "format": media_type,
        "assertions": [
            _assertion("c2pa.actions.v2", _actions(record, media_type, target_type, agent)),
            _assertion(SWAP, _swap(record)),
            _assertion(CONSENT, _consent(record)),
            *target,
            *live,
            _assertion(LABEL, _label(record)),
            _assertion(SOFT_BINDING, _soft_binding(record)),
            _assertion(IMPLICIT, asdict(implicit or implicit_label(record))),
        ],
    }
    if title is not None:
        definition["title"] = title
    return definition


def _assertion(label: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "created": True, "data": data}


def _actions(
    record: SwapRecord, media_type: str, target_type: str | None, agent: dict[str, str]
) -> dict[str, Any]:
    when = timestamp(record.created)
    if record.live is not None:
        return {"actions": _live_actions(record, when, agent), "allActionsIncluded": True}
    actions: list[dict[str, Any]] = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [_INGREDIENT]}},
        {
            "action": "c2pa.edited",
            "when": when,
            "softwareAgent": agent,
            "digitalSourceType": COMPOSITE_WITH_AI,
            "description": f"face swap by AI; visible label '{record.label.text}' drawn",
        },
    ]
    actions.append({"action": "c2pa.watermarked.bound", "when": when, "softwareAgent": agent})
    if target_type is not None and target_type != media_type:
        actions.append({"action": "c2pa.converted", "when": when, "softwareAgent": agent})
    return {"actions": actions, "allActionsIncluded": True}


def _live_actions(record: SwapRecord, when: str, agent: dict[str, str]) -> list[dict[str, Any]]:
    """Return the actions of a part of a live stream: nothing was opened, no file was there."""
    made = {
        "action": "c2pa.created",
        "when": when,
        "softwareAgent": agent,
        "digitalSourceType": COMPOSITE_WITH_AI,
        "description": f"face swap by AI in a live picture; visible label '{record.label.text}' "
        "drawn",
    }
    return [made, {"action": "c2pa.watermarked.bound", "when": when, "softwareAgent": agent}]


def _live(part: LivePart) -> dict[str, Any]:
    data: dict[str, Any] = {
        "stream": part.stream,
        "source": part.source,
        "part": part.part,
        "index": part.index,
        "beginsMs": part.begins,
    }
    if part.part == "segment":
        data |= {"lengthMs": part.length, "last": part.last}
    if part.previous:
        data["previousSha256"] = part.previous
    return data


def _swap(record: SwapRecord) -> dict[str, Any]:
    return {
        **({"bundle": record.bundle} if record.bundle else {}),
        "outputId": record.output_id,
        "created": timestamp(record.created),
        "medium": record.permit.medium,
        "faces": record.faces,
        "frames": record.frames,
        "models": [asdict(model) for model in record.models],
    }


def _consent(record: SwapRecord) -> dict[str, Any]:
    permit = record.permit
    return {
        "consentId": permit.consent_id,
        "assurance": permit.assurance,
        "purpose": permit.purpose,
        "notAfter": timestamp(permit.not_after),
        "identityCommitment": permit.identity_commitment,
        "targetStatement": permit.target_statement,
    }


def _soft_binding(record: SwapRecord) -> dict[str, Any]:
    """Return which watermark the pixels carry: of the whole output, so the scope names no part."""
    value = watermark_id(record.marked_as)
    return {"alg": ALGORITHM, "blocks": [{"scope": {}, "value": value}], "pad": ""}


def _label(record: SwapRecord) -> dict[str, Any]:
    place = record.label
    return {
        "text": place.text,
        "language": place.language,
        "style": place.style,
        "corner": place.corner,
        "region": asdict(place.region),
        "ink": asdict(place.ink),
    }


def sign(
    source: Path,
    destination: Path,
    media_type: str,
    record: SwapRecord,
    parent: Path | None,
    *,
    key: SigningKey | None = None,
    title: str | None = None,
) -> Signed:
    """Sign an output and verify what was signed; a file that does not verify is deleted.

    A manifest that the target file carries stays in the chain. Where it is tampered with, the
    output says so about its ingredient and is itself good; where it cannot even be read, the
    target stands in the chain by its SHA-256 alone.

    Args:
        source: The finished file, implicit label included.
        destination: The signed file; another path than `source`.
        media_type: image/jpeg, image/png, image/webp, video/mp4 or video/quicktime.
        record: What was done.
        parent: The target file; None for a part of a live stream, which was made of no file.
        key: Signs; this device's key by default.
        title: Title of the output; none by default.

    Raises:
        ProvenanceError: It could not be signed, or does not verify.
        KeyStoreError: The device's key cannot be used.
        OutputError: The disk is full, or a file cannot be read or written.
    """
    import c2pa

    key = ready_to_sign(key)
    callback = CallbackSigner(key)
    trusted = context([root_pem(key)])
    failures: list[OSError] = []
    try:
        with held_back():  # the library reads and writes through callbacks
            implicit = _implicit_of(source, record)
            builder, ours = _prepared(trusted, media_type, record, parent, title, implicit)
            with source.open("rb") as plain, destination.open("w+b") as signed:
                builder.sign(callback.signer, media_type, plain, _Watched(signed, failures))
            state = _verified(destination, media_type, record, trusted)
    except BaseException as error:
        destination.unlink(missing_ok=True)
        if isinstance(error, OSError):
            failures.append(error)
        if failures:
            inputs = (source,) if parent is None else (source, parent)
            raise _file_error(failures[0], inputs, destination) from error
        if isinstance(error, c2pa.C2paError):
            why = callback.failure or error
            raise ProvenanceError(f"the output could not be signed: {why}") from error
        raise
    return Signed(parent=state if ours else "unreadable")


def _file_error(error: OSError, inputs: tuple[Path, ...], destination: Path) -> OutputError:
    if error.filename in {str(path) for path in inputs}:
        return OutputError(f"{error.filename}: cannot be read: {error.strerror}")
    return writing_failed(destination, error)


class _Watched:
    """A file that keeps the error of a failed write: the library only says that there was one."""

    def __init__(self, file: BinaryIO, failures: list[OSError]) -> None:
        self._file = file
        self._failures = failures
        self.read, self.seek, self.tell, self.flush = file.read, file.seek, file.tell, file.flush

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._failures.append(error)
            raise


def _implicit_of(source: Path, record: SwapRecord) -> ImplicitLabel:
    """Return the implicit label that the file carries: the manifest states that very one.

    Raises:
        ProvenanceError: It carries none, or that of another output.
        OSError: It cannot be read.
    """
    try:
        found = read_implicit(source)
    except MediaError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise ProvenanceError(f"the output could not be signed: {error}") from error
    if found is None or found.ProduceID != record.output_id:
        raise ProvenanceError("the output could not be signed: its implicit label is not there")
    return found


def _kind(path: Path) -> Kind | None:
    with path.open("rb") as file:
        return sniff(file.read(64))


def _prepared(
    trusted: Any,
    media_type: str,
    record: SwapRecord,
    parent: Path | None,
    title: str | None,
    implicit: ImplicitLabel,
) -> tuple[Any, bool]:
    """Return a builder with its ingredient, and whether the target's own manifest was readable."""
    import c2pa

    if parent is None:
        definition = manifest_for(record, media_type, title, implicit=implicit)
        return c2pa.Builder(definition, context=trusted), True
    kind = _kind(parent)
    target_type = kind.media_type if kind is not None else None
    definition = manifest_for(record, media_type, title, target_type=target_type, implicit=implicit)
    ingredient = {"title": "target", "relationship": "parentOf", "label": _INGREDIENT}
    if kind is not None and kind.manifests:
        builder = c2pa.Builder(definition, context=trusted)
        try:
            with parent.open("rb") as stream:
                builder.add_ingredient(ingredient, kind.media_type, stream)
            return builder, True
        except c2pa.C2paError:
            builder.close()
    # A format that cannot carry a manifest, a broken one, or a manifest behind a URL: the target
    # is then described here, and bound by the SHA-256 in our own assertion.
    described = {**ingredient, "format": target_type or "application/octet-stream"}
    definition["ingredients"] = [described]
    return c2pa.Builder(definition, context=trusted), not has_c2pa(parent)


def _verified(path: Path, media_type: str, record: SwapRecord, trusted: Any) -> ParentState:
    """Read the signed file back; return the state of its parent's manifest.

    Raises:
        ProvenanceError: The signature is not trusted, or it is not what was to be signed.
    """
    import c2pa

    with path.open("rb") as stream, c2pa.Reader(media_type, stream, context=trusted) as reader:
        state = reader.get_validation_state()
        content = json.loads(reader.json())
    active = content["manifests"][content["active_manifest"]]
    if state != "Trusted":
        failures = content.get("validation_results", {}).get("activeManifest", {}).get("failure")
        codes = ", ".join(str(f.get("code")) for f in failures or ()) or "no code given"
        raise ProvenanceError(f"the signed output does not verify ({state}: {codes})")
    swaps = [a["data"] for a in active["assertions"] if a["label"] == SWAP]
    if len(swaps) != 1 or swaps[0].get("outputId") != record.output_id:
        raise ProvenanceError("the signed output does not carry the manifest of this swap")
    if record.live is not None:
        return "absent"
    parents = [i for i in active.get("ingredients", ()) if i.get("relationship") == "parentOf"]
    if len(parents) != 1:
        raise ProvenanceError("the signed output does not name its target")
    if not parents[0].get("active_manifest"):
        return "absent"
    return "intact" if integrity_of(parents[0]) == "intact" else "tampered"
