"""The journal of a video that is not finished: what is done of it, signed by this device.

A journal that somebody else put there is gone on with by nobody (`edge.jobs.unfinished`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.consent.canonical import FormError, canonical_bytes, parse_object, parse_utc
from edge.consent.operator import operator_key
from edge.consent.signing import public_hex, record_is_signed_by, sign_record
from edge.consent.storage import read_record
from edge.errors import UsageError
from edge.records import LabelPlace, Region

if TYPE_CHECKING:
    from edge.records import SwapRecord

__all__ = ["Journal", "Segment", "journal_bytes", "read_journal"]

_SCHEMA = "edge-swap/unfinished-1"


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: its frames, and the SHA-256 of its file, hex."""

    frames: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Journal:
    """What is known of an unfinished video.

    Attributes:
        output: The output's name, without its folder.
        settings: All that the frames depend on, as texts by name.
        output_id: The id that the watermark in every frame belongs to.
        created: When the first frame was begun, RFC 3339.
        place: Where the label stands.
        segments: What is finished, in order.
        faces: Most faces in one frame so far.
        last: Time stamp of the last frame, in the encoder's ticks; None before the first.
        state: What following the faces needs to know for the next frame, JSON.
        whole: Whether the last frame is among them.
    """

    output: str
    settings: Mapping[str, str]
    output_id: str
    created: str
    place: LabelPlace
    segments: tuple[Segment, ...] = ()
    faces: int = 0
    last: int | None = None
    state: str = ""
    whole: bool = False

    @property
    def frames(self) -> int:
        """Frames that are finished."""
        return sum(segment.frames for segment in self.segments)

    def draft(self, record: SwapRecord) -> SwapRecord:
        """Return a new record with the id and time that the finished frames belong to."""
        return replace(
            record, output_id=self.output_id, created=parse_utc(self.created), label=self.place
        )


def journal_bytes(journal: Journal) -> bytes:
    """Return what stands in the file of a journal: canonical JSON, signed by this device."""
    key = operator_key()
    place = journal.place
    body: dict[str, object] = {
        "schema": _SCHEMA,
        "output": os.fsencode(journal.output).hex(),
        "settings": dict(journal.settings),
        "output_id": journal.output_id,
        "created": journal.created,
        "label": {
            "text": place.text,
            "language": place.language,
            "corner": place.corner,
            "style": place.style,
            "region": list(_sides(place.region)),
            "ink": list(_sides(place.ink)),
        },
        "segments": [[segment.frames, segment.sha256] for segment in journal.segments],
        "faces": journal.faces,
        "last": journal.last,
        "state": journal.state,
        "whole": journal.whole,
        "key": public_hex(key),
    }
    return canonical_bytes({**body, "signature": sign_record(body, key)})


def _sides(region: Region) -> Iterator[int]:
    yield from (region.x, region.y, region.width, region.height)


def read_journal(path: Path) -> Journal:
    """Return a journal that this device signed.

    Raises:
        FormError: It is none.
        KeyError, TypeError, ValueError: It lacks something, or says nonsense.
    """
    record: dict[str, Any] = parse_object(read_record(path, "journal", UsageError))
    signature = str(record.pop("signature"))
    mine = public_hex(operator_key())
    if record["key"] != mine or not record_is_signed_by(record, mine, signature):
        raise FormError("it was not signed by this device")
    if record["schema"] != _SCHEMA:
        raise FormError("it is of another version")
    label = record["label"]
    return Journal(
        output=os.fsdecode(bytes.fromhex(record["output"])),
        settings=record["settings"],
        output_id=record["output_id"],
        created=record["created"],
        place=LabelPlace(
            text=label["text"],
            language=label["language"],
            corner=label["corner"],
            region=Region(*label["region"]),
            ink=Region(*label["ink"]),
            style=label["style"],
        ),
        segments=tuple(Segment(frames, digest) for frames, digest in record["segments"]),
        faces=record["faces"],
        last=record["last"],
        state=record["state"],
        whole=record["whole"],
    )
