"""Is the space beside the signature as empty as C2PA wants it?

A signer leaves room in the signature's box, about 10 kB, and fills it with zeros; a time stamp may
take some of it later. Neither the signature nor the picture's hash covers that room, so a library
that only asks those two calls a file intact that had something written there.
"""

from __future__ import annotations

from itertools import pairwise

from edge.provenance.cbor import BYTES
from edge.provenance.cose import (
    CHAIN,
    PADDINGS,
    REVOCATION,
    STAMPS,
    Signature,
    byte_strings,
    listed_bytes,
    protected_chains,
    revocation_header,
    stamp_header,
)

_SEQUENCE = 0x30  # DER's tag


def something_in_padding(signature: Signature | None) -> bool:
    """Return whether anything stands beside a signature that has no business there.

    That is a padding that holds anything but zeros, or a header that C2PA does not know.

    Args:
        signature: Of the active manifest; None where it cannot be read. The library reads more
            forms than C2PA has, so that then nobody can say what is in it.
    """
    try:
        return signature is None or _is_foreign_content(signature)
    except (ValueError, IndexError):
        return True


def _is_foreign_content(signature: Signature) -> bool:
    return (
        any(any(padding) for padding in signature.paddings())
        or any(_is_foreign(name, value) for name, value in signature.headers)
        or _is_foreign_chain(signature)
    )


def _is_foreign(name: str, value: bytes) -> bool:
    if name in PADDINGS:
        return value[0] >> 5 != BYTES  # zeros, but called a text
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
