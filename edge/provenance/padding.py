"""Is the space beside the signature as empty as C2PA wants it?

A signer leaves room in the signature's box, about 10 kB, and fills it with zeros; a time stamp may
take some of it later. Neither the signature nor the picture's hash covers that room, so a library
that only asks those two calls a file intact that had something written there.
"""

from __future__ import annotations

import struct
from pathlib import Path

from edge.provenance.container import Kind
from edge.provenance.cose import EXPECTED, find_signature
from edge.provenance.store import read_store

_BYTES = 2  # CBOR's major type


def something_in_padding(path: Path, kind: Kind) -> bool:
    """Return whether anything stands beside the active signature that has no business there.

    That is a padding that holds anything but zeros, or a header that C2PA does not know.

    Args:
        path: The file.
        kind: What it is.

    Returns:
        False too where no such padding is found: then there is nothing to write into.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        return foreign_content(read_store(path, kind))
    except (ValueError, IndexError, struct.error):
        return False  # malformed; the library says so


def foreign_content(store: bytes) -> bool:
    """Return the same for a manifest store in memory.

    Raises:
        ValueError: It is malformed.
    """
    signature = find_signature(store)
    if signature is None:
        return False
    return any(any(padding) for padding in signature.paddings()) or any(
        _is_foreign(name, value) for name, value in signature.headers
    )


def _is_foreign(name: str, value: bytes) -> bool:
    if name.startswith("pad"):
        return value[0] >> 5 != _BYTES  # zeros, but called a text
    return name not in EXPECTED and not name.isdigit()
