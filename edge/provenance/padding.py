"""Is the space beside the signature as empty as C2PA wants it?

A signer leaves room in the signature's box, about 10 kB, and fills it with zeros; a time stamp may
take some of it later. Neither the signature nor the picture's hash covers that room, so a library
that only asks those two calls a file intact that had something written there.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

from edge.provenance.container import Kind
from edge.provenance.cose import (
    CHAIN,
    REVOCATION,
    STAMPS,
    Signature,
    byte_strings,
    find_signature,
    listed_bytes,
    protected_chains,
    revocation_header,
    stamp_header,
)
from edge.provenance.store import read_store

_BYTES = 2  # CBOR's major type
_SEQUENCE = 0x30  # DER's tag


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
        store = read_store(path, kind)
    except (ValueError, IndexError, struct.error):
        return False  # malformed; the library says so
    try:
        return foreign_content(store)
    except (ValueError, IndexError, struct.error):
        return True  # the library reads more forms than C2PA has: nobody can say what is in it


def foreign_content(store: bytes) -> bool:
    """Return the same for a manifest store in memory.

    Raises:
        ValueError: It is malformed.
    """
    signature = find_signature(store)
    if signature is None:
        return False
    return (
        any(any(padding) for padding in signature.paddings())
        or any(_is_foreign(name, value) for name, value in signature.headers)
        or _is_foreign_chain(signature)
    )


def _is_foreign(name: str, value: bytes) -> bool:
    if name.startswith("pad"):
        return value[0] >> 5 != _BYTES  # zeros, but called a text
    if name in STAMPS or name == REVOCATION:
        held = byte_strings(value)
        written = revocation_header(*held) if name == REVOCATION else stamp_header(*held)
        return value != written or not all(map(_is_der, held))
    return name not in CHAIN


def _is_der(content: bytes) -> bool:
    """Return whether a byte string is one DER sequence, and nothing before or behind it."""
    if len(content) < 2 or content[0] != _SEQUENCE:
        return False
    length, at = content[1], 2
    if length >= 0x80:  # so many bytes of length follow
        at += length - 0x80
        length = int.from_bytes(content[2:at], "big")
    return at + length == len(content)


def _is_foreign_chain(signature: Signature) -> bool:
    """Return whether a chain stands here that is not the signer's, or hides something.

    C2PA 1.x has the signer's chain here, and then nowhere else.
    """
    chains = [value for name, value in signature.headers if name in CHAIN]
    if not chains:
        return False
    return len(chains) > 1 or bool(protected_chains(signature)) or not _is_chain(chains[0])


def _is_chain(value: bytes) -> bool:
    """Return whether a header holds certificates of which each was issued by the next, and no more.

    One that issued nothing has no part in the signature: anybody could have put it there, and
    anything into it.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        chain = [x509.load_der_x509_certificate(der) for der in listed_bytes(value)]
        for issued, issuer in pairwise(chain):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, IndexError, TypeError):
        return False
    except (x509.InvalidVersion, InvalidSignature, UnsupportedAlgorithm):
        return False
    return bool(chain)
