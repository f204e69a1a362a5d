"""The implicit label of GB 45438-2025: seven fields of JSON in a file's metadata.

It is written before the C2PA signature, which then covers it: editing either is noticed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import MediaError, ProvenanceError
from edge.provenance import boxes, xmp
from edge.provenance.container import sniff
from edge.provenance.producer import content_producer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.records import SwapRecord

KEY = "AIGC"
"""Name of the property in XMP and of the metadata key in MP4."""

_IS_GENERATED = "1"  # "2" may be, "3" suspected
_KINDS = ("1", "2", "3")
_NAMED = ("ContentProducer", "ProduceID", "ContentPropagator", "PropagateID")
_MAX_PICTURE = 1 << 28
_MAX_FIELD = 1024


@dataclass(frozen=True, slots=True)
class ImplicitLabel:
    """The seven fields, spelled as the standard spells them.

    Attributes:
        Label: "1" is, "2" may be, "3" is suspected to be generated or synthesised.
        ContentProducer: Name or code of the producer.
        ProduceID: The producer's number for this content.
        ReservedCode1: For the producer's own use; empty here.
        ContentPropagator: Name or code of whoever spreads it; the producer at first.
        PropagateID: The propagator's number for this content.
        ReservedCode2: For the propagator's own use; empty here.
    """

    Label: str
    ContentProducer: str
    ProduceID: str
    ReservedCode1: str
    ContentPropagator: str
    PropagateID: str
    ReservedCode2: str


def implicit_label(record: SwapRecord) -> ImplicitLabel:
    """Return the implicit label of an output.

    Whoever makes content is its first propagator too, under the same number.

    Raises:
        ProvenanceError: The configured producer, or the output's id, cannot stand in it.
    """
    producer = content_producer()
    label = ImplicitLabel(
        Label=_IS_GENERATED,
        ContentProducer=producer,
        ProduceID=record.output_id,
        ReservedCode1="",
        ContentPropagator=producer,
        PropagateID=record.output_id,
        ReservedCode2="",
    )
    found = flaws(label)
    if found:
        raise ProvenanceError(f"the implicit label would be wrong: {'; '.join(found)}")
    return label


def implicit_json(record: SwapRecord) -> str:
    """Return the implicit label of an output as JSON text, printable ASCII.

    Raises:
        ProvenanceError: The configured producer, or the output's id, cannot stand in it.
    """
    return as_json(implicit_label(record))


def as_json(label: ImplicitLabel) -> str:
    """Return an implicit label as the JSON text that a file carries."""
    return json.dumps(asdict(label), ensure_ascii=True, separators=(",", ":"))


def flaws(label: ImplicitLabel) -> tuple[str, ...]:
    """Return what is wrong with an implicit label's values; empty for a good one.

    The limits are those of readers in the field: GB 45438-2025 itself was not at hand.
    """
    found = []
    if label.Label not in _KINDS:
        found.append(f"Label is '{label.Label}', not 1, 2 or 3")
    for name, value in asdict(label).items():
        if name in _NAMED and not value:
            found.append(f"{name} is empty")
        elif any(not "!" <= char <= "~" or char in '"\\' for char in value):
            found.append(f'{name} holds something else than printable ASCII without " and \\')
    return tuple(found)


def differences(label: Mapping[str, str], signed: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the fields in which two implicit labels differ.

    Args:
        label: The one that the file carries.
        signed: The one that its manifest states.
    """
    return tuple(f.name for f in fields(ImplicitLabel) if label.get(f.name) != signed.get(f.name))


def write_implicit(data: bytes, media_type: str, json_text: str) -> bytes:
    """Return the encoded picture with the implicit label in its XMP.

    XMP that the picture had is replaced: our encoders write none.

    Args:
        data: A complete file.
        media_type: image/jpeg, image/png or image/webp.
        json_text: From `implicit_json`.

    Raises:
        ProvenanceError: Another media type, or a malformed file.
    """
    return xmp.put(data, media_type, xmp.packet(json_text))


def mp4_metadata(json_text: str) -> dict[str, str]:
    """Return the container metadata that carries the implicit label in an MP4.

    PyAV writes it to moov/udta/meta when the container is opened with the option
    `movflags=use_metadata_tags`.
    """
    return {KEY: json_text, "DigitalSourceType": xmp.COMPOSITE_WITH_AI}


def read_implicit(path: Path) -> ImplicitLabel | None:
    """Return the implicit label of a picture or video, or None where it has none.

    Raises:
        MediaError: The file cannot be read, or it has a label that is malformed.
    """
    text = _find(path)
    return None if text is None else parse_implicit(text)


def parse_implicit(text: str) -> ImplicitLabel:
    """Return the implicit label of JSON text; fields that are missing are empty.

    Raises:
        MediaError: It is not a JSON object of short texts.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MediaError("its implicit label is not JSON") from error
    if not isinstance(content, dict):
        raise MediaError("its implicit label is not a JSON object")
    values = {field.name: content.get(field.name, "") for field in fields(ImplicitLabel)}
    if not all(isinstance(v, (str, int)) and len(str(v)) <= _MAX_FIELD for v in values.values()):
        raise MediaError("its implicit label holds something else than short texts")
    return ImplicitLabel(**{name: str(value) for name, value in values.items()})


def _find(path: Path) -> str | None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            kind = sniff(file.read(64))
            if kind is None:
                return None
            file.seek(0)
            if kind.media_type in xmp.MEDIA_TYPES and size <= _MAX_PICTURE:
                return _of_packet(xmp.get(file.read(), kind.media_type))
            if kind.boxes:
                named = boxes.metadata(file, size).get(KEY)
                return named if named is not None else _of_packet(boxes.xmp(file, size))
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MediaError(f"its metadata is malformed: {error}") from error
    return None


def _of_packet(content: bytes | None) -> str | None:
    return None if content is None else xmp.properties(content).get(KEY)


def require_implicit(path: Path, json_text: str) -> None:
    """Check that a file carries exactly this implicit label.

    Raises:
        ProvenanceError: It does not.
    """
    if _find(path) != json_text:
        raise ProvenanceError(f"{path}: the implicit label was not written as it should be")
