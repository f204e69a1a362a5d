"""The signature of the manifest that the C2PA library read: the same, not one that looks like it.

The library reports what it made of a signature, not the signature. Its bytes are looked for in the
file, or, where containers of that kind are not read here, in the copy of the manifest that the
library keeps when it takes the file as an ingredient.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.interrupts import held_back
from edge.provenance.claims import active_signature
from edge.provenance.container import Kind
from edge.provenance.cose import Signature, find_signature, signing_serial
from edge.provenance.engine import context
from edge.provenance.jumbf import Compressed
from edge.provenance.reading import Reading, manifest_store
from edge.provenance.store import can_read

_MAX_DIGITS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """How looking for the signature went.

    Attributes:
        signature: None where it could not be had.
        out_of_reach: Why its bytes are not here, though nothing is wrong with them; else None.
    """

    signature: Signature | None = None
    out_of_reach: str | None = None

    @property
    def unreadable(self) -> bool:
        """Whether it should be here, and is not as it should be."""
        return self.signature is None and self.out_of_reach is None


def find_active(path: Path, kind: Kind, reading: Reading) -> Found:
    """Return the signature of the manifest that was read.

    Args:
        path: The file.
        kind: What it is.
        reading: How reading its manifest went; there is one.

    Raises:
        OSError: The file cannot be read.
    """
    assert reading.store is not None
    if reading.source == "fetched":
        return Found(out_of_reach="its manifest was fetched")
    label = str(reading.store.get("active_manifest"))
    serial = reported_serial(reading.store)
    try:
        readable = reading.source == "sidecar" or can_read(kind)
        store = manifest_store(path, kind, reading) if readable else _copied(path, kind)
        found = find_signature(store, label)
        if found is not None and serial in {None, signing_serial(found)}:
            return Found(found)
    except _Refused:
        return Found(out_of_reach=f"the manifest of a file of kind {kind.media_type} is not read")
    except Compressed:
        return Found(out_of_reach="its manifest is compressed")
    except (ValueError, IndexError):
        return Found()
    return Found()


def reported_serial(store: Mapping[str, Any]) -> int | None:
    """Return the number of the signing certificate, as the library reports it."""
    text = active_signature(store).get("cert_serial_number")
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS:
        return int(text)
    return None


class _Refused(ValueError):
    """The library does not take a file of this kind as an ingredient."""


def _copied(path: Path, kind: Kind) -> bytes:
    """Return a manifest store of the library's, in which the manifests of a file are, untouched."""
    import c2pa

    copy = io.BytesIO()
    try:
        with held_back(), path.open("rb") as stream:
            builder = c2pa.Builder({}, context=context([]))
            builder.add_ingredient_from_stream({"title": "file"}, kind.media_type, stream)
            builder.to_archive(copy)
    except c2pa.C2paError as error:
        raise _Refused(str(error)) from error
    return copy.getvalue()
