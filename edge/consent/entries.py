"""What the ledger's lines say: plain texts and numbers, of limited length."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from edge.provenance.watermark.identifier import watermark_id
from edge.records import LivePart, ModelUse, SwapRecord

Event = Literal[
    "bundle",  # built or renewed
    "enrol",
    "erase",
    "revoke",
    "trust",
    "key-rotation",
    "frame",  # handed to a caller of the API as an array
    "interrupted",
    "live",  # a live stream began or ended
    "skipped-no-face",
    "torn-line",
]
"""Things worth a line that are neither an output file nor a refusal; a frame is one in memory."""

SEGMENT_REMOVED = "removed"
"""Stage of an event `live` that says that a segment is about to be removed."""

_MAX_TEXT = 1000
"""Longest free text in an entry, in characters: an error message, a path."""


def output_fields(record: SwapRecord, path: Path, sha256: str) -> dict[str, object]:
    """Return the fields of an output's entry; `sha256` is that of its finished bytes, hex."""
    permit = record.permit
    return {
        "output_id": record.output_id,
        "watermark": watermark_id(record.marked_as),
        **path_fields(path),
        "output_sha256": sha256,
        **({"target_sha256": record.target_sha256} if record.target_sha256 else {}),
        **({} if record.live is None else _live_fields(record.live)),
        "identity": permit.identity_commitment,
        "consent_id": permit.consent_id,
        "assurance": permit.assurance,
        "purpose": permit.purpose,
        "medium": permit.medium,
        "target_statement": permit.target_statement,
        "models": [_model_fields(model) for model in record.models],
        "faces": record.faces,
        "frames": record.frames,
        "generator": record.generator,
        **({"bundle": record.bundle} if record.bundle else {}),
        **({"choices": record.choices} if record.choices else {}),
    }


def _live_fields(part: LivePart) -> dict[str, object]:
    return {
        "stream": part.stream,
        "segment": part.index,
        **({"previous_sha256": part.previous} if part.previous else {}),
        **({"last": True} if part.last else {}),
    }


def _model_fields(model: ModelUse) -> dict[str, object]:
    return {
        "name": model.name,
        "kind": model.kind,
        "sha256": model.sha256,
        "precision": model.precision,
        "backend": model.backend,
        "provider": model.provider,
    }


def event_fields(event: Event, details: Mapping[str, str]) -> dict[str, object]:
    """Return the fields of an event's entry."""
    texts = {key: short_text(value) for key, value in details.items()}
    return {"event": event, "details": texts}


def short_text(text: str) -> str:
    """Return text that always has a canonical form: bytes of odd file names become escapes."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return clean if len(clean) <= _MAX_TEXT else clean[: _MAX_TEXT - 3] + "..."


def refusal_fields(
    error: Exception, asked: Mapping[str, str], names: Iterable[str] = ()
) -> dict[str, object]:
    """Return the fields of a refusal's entry, without the names of people."""
    reason = str(error)
    for name in sorted(filter(None, names), key=len, reverse=True):
        reason = reason.replace(name, "(name left out)")
    return {
        "error": type(error).__name__,
        "reason": short_text(reason),
        "asked": {key: short_text(value) for key, value in asked.items()},
    }


def path_fields(path: Path) -> dict[str, object]:
    """Return the absolute path of an output as fields that `path_of` reads back exactly.

    A name that is not UTF-8, or not in NFC, has no canonical form: its bytes stand beside it.
    """
    absolute = os.path.abspath(path)
    shown = absolute.encode("utf-8", "backslashreplace").decode("utf-8")
    if shown == absolute == unicodedata.normalize("NFC", absolute):
        return {"path": absolute}
    return {"path": shown, "path_bytes": os.fsencode(absolute).hex()}


def path_of(fields: Mapping[str, object]) -> Path:
    """Return the path in an output's entry."""
    exact = fields.get("path_bytes")
    if isinstance(exact, str):
        with contextlib.suppress(ValueError):  # not ours: somebody edited the line
            return Path(os.fsdecode(bytes.fromhex(exact)))
    return Path(str(fields.get("path", "")))
