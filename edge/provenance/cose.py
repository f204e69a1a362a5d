"""The signature of the active manifest: its parts, and what stands unsigned beside it.

A C2PA signature is a COSE_Sign1 (RFC 9052): protected headers, unprotected headers, nothing, the
signature. The unprotected headers are what neither the signature nor the picture's hash covers:
a time stamp, answers about revocation, and padding that keeps room for them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge.provenance import cbor
from edge.provenance.cbor import ARRAY, BYTES, MAP, TAG, TEXT
from edge.provenance.jumbf import Compressed, signature_place

_TAGGED_ARRAY = b"\xd2\x84"  # CBOR: COSE_Sign1, an array of four
_SIGN1 = 18  # its tag
_NIL = b"\xf6"

STAMP = "sigTst2"
"""Header of a time stamp over the signature (C2PA 2.x, "CTT" storage)."""

CERTIFICATES = 33
"""COSE header x5chain (RFC 9360)."""

STAMPS = frozenset({"sigTst", STAMP})
"""Headers of time stamps, those of C2PA 1.x too."""

REVOCATION = "rVals"
"""Header of answers about revocation."""

PADDINGS = frozenset({"pad", "pad2"})
"""Headers of zeros, which keep room for others."""

_CHAIN_TEXT = "x5chain"

CHAIN = frozenset({_CHAIN_TEXT, str(CERTIFICATES)})
"""Names of the signer's chain; signers of C2PA 1.x put it among the unprotected headers."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The active manifest's COSE_Sign1.

    Attributes:
        at: Where it starts in the manifest store.
        raw: All of its bytes.
        protected: The protected headers as they stand there: a CBOR byte string.
        headers: Unprotected headers: name, and value as CBOR, in their order.
        signature: The signature itself.
    """

    at: int
    raw: bytes
    protected: bytes
    headers: tuple[tuple[str, bytes], ...]
    signature: bytes

    @property
    def countersigned(self) -> bytes:
        """What a time stamp of this signature is over (COSE, CounterSignature context)."""
        boxed = cbor.octets(cbor.octets(self.signature))
        context = cbor.text("CounterSignature")
        return b"\x84" + context + self.protected + cbor.octets(b"") + boxed

    def header(self, name: str) -> bytes | None:
        """Return the CBOR of an unprotected header, or None."""
        return dict(self.headers).get(name)

    def paddings(self) -> tuple[bytes, ...]:
        """Return the content of the paddings."""
        held = [value for name, value in self.headers if name in PADDINGS]
        return tuple(value[cbor.head(value, 0)[2] :] for value in held)

    @property
    def is_plain(self) -> bool:
        """Whether its beginning is spelt as C2PA writes it; any other way says the same."""
        return self.raw.startswith(_TAGGED_ARRAY)

    def with_header(self, name: str, value: bytes) -> bytes:
        """Return a COSE_Sign1 of the same length that has one more header, taken from the padding.

        Args:
            name: Of the header; one that is there already is replaced.
            value: Its value as CBOR.

        Raises:
            ValueError: The padding has not room enough.
        """
        kept = [(key, item) for key, item in self.headers if key not in PADDINGS | {name}]
        pairs = [*kept, (name, value)]
        tail = _NIL + cbor.octets(self.signature)
        body = b"".join(cbor.text(key) + item for key, item in pairs)
        bare = len(_TAGGED_ARRAY + self.protected + tail) + 1 + len(body)
        padding = _padding(len(self.raw) - bare)
        count = len(pairs) + len(padding)
        if count > 23:
            raise ValueError("too many headers")
        filled = body + b"".join(cbor.text(key) + item for key, item in padding)
        made = _TAGGED_ARRAY + self.protected + bytes([0xA0 | count]) + filled + tail
        if len(made) != len(self.raw):
            raise ValueError("the padding has not room enough")
        return made


def find_signature(store: bytes, manifest: str | None = None) -> Signature | None:
    """Return the signature of a manifest in a store.

    Its tag and lengths may be spelt in any way that CBOR has: the C2PA library reads them all.

    Args:
        store: From `edge.provenance.store.read_store`.
        manifest: The manifest's label; by default it is the active one.

    Returns:
        None where the store is empty, or the manifest has no signature.

    Raises:
        Compressed: The manifest is compressed.
        ValueError: Store or signature are malformed.
    """
    if not store:
        return None
    try:
        place = signature_place(store, manifest)
        return None if place is None else _parsed(place[0], store[slice(*place)])
    except Compressed:
        raise
    except (IndexError, struct.error) as error:
        raise ValueError("the signature is cut off") from error


def _parsed(start: int, raw: bytes) -> Signature:
    at = 0
    if raw[0] >> 5 == TAG:
        _, number, at = cbor.head(raw, 0)
        if number != _SIGN1:
            raise ValueError("not the tag of a signature")
    found, end = cbor.parts(raw, at, ARRAY)
    if len(found) != 4 or end != len(raw):
        raise ValueError("not the four parts of a signature")
    protected, unprotected, payload, signature = found
    pairs, _ = cbor.parts(raw, unprotected[0], MAP)
    headers = [
        (_key(raw, name[0]), raw[slice(*value)])
        for name, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    if raw[slice(*payload)] != _NIL:
        raise ValueError("the payload is not detached")
    major, _, begin = cbor.head(raw, signature[0])
    if major != BYTES:
        raise ValueError("no signature in it")
    value = raw[begin : signature[1]]
    return Signature(start, raw, raw[slice(*protected)], tuple(headers), value)


def certificates(signature: Signature) -> tuple[bytes, ...]:
    """Return the DER certificates of the signer's chain, the signing one first.

    Raises:
        ValueError: The headers are malformed.
    """
    older = [item for name, item in signature.headers if name in CHAIN]
    try:
        return tuple(
            der for item in [*protected_chains(signature), *older] for der in byte_strings(item)
        )
    except IndexError as error:
        raise ValueError("the headers are cut off") from error


def signing_serial(signature: Signature) -> int:
    """Return the number of the signing certificate.

    Raises:
        ValueError: There is no such certificate, or it is malformed.
    """
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(certificates(signature)[0]).serial_number
    except (IndexError, x509.InvalidVersion) as error:
        raise ValueError("no signing certificate") from error


def protected_chains(signature: Signature) -> list[bytes]:
    """Return the CBOR of the chains among the protected headers: one, or none in older manifests.

    Raises:
        ValueError: The headers are malformed.
        IndexError: They are cut off.
    """
    _, length, begin = cbor.head(signature.protected, 0)
    inner = signature.protected[begin : begin + length]
    major, pairs, at = cbor.head(inner, 0)
    found = []
    for _ in range(pairs if major == MAP else 0):
        key, value = at, cbor.skip(inner, at)
        at = cbor.skip(inner, value)
        if cbor.head(inner, key)[:2] == (0, CERTIFICATES) or _key(inner, key) == _CHAIN_TEXT:
            found.append(inner[value:at])
    return found


def stamp_header(*tokens: bytes) -> bytes:
    """Return the value of the header `sigTst2` for RFC 3161 tokens in DER, as CBOR."""
    listed = b"".join(b"\xa1" + cbor.text("val") + cbor.octets(token) for token in tokens)
    return b"\xa1" + cbor.text("tstTokens") + cbor.length(ARRAY, len(tokens)) + listed


def revocation_header(*answers: bytes) -> bytes:
    """Return the value of the header `rVals` for OCSP responses in DER, as CBOR."""
    listed = b"".join(map(cbor.octets, answers))
    return b"\xa1" + cbor.text("ocspVals") + cbor.length(ARRAY, len(answers)) + listed


def byte_strings(item: bytes) -> list[bytes]:
    """Return every byte string in a CBOR item, in its order.

    Raises:
        ValueError: It is malformed.
        IndexError: It is cut off.
    """
    major, argument, at = cbor.head(item, 0)
    if major == BYTES:
        return [item[at : at + argument]]
    found: list[bytes] = []
    if major in {ARRAY, MAP, TAG}:
        for _ in range({ARRAY: argument, MAP: 2 * argument, TAG: 1}[major]):
            end = cbor.skip(item, at)
            found += byte_strings(item[at:end])
            at = end
    return found


def listed_bytes(item: bytes) -> list[bytes]:
    """Return the byte strings of a CBOR item that is one, or an array of them and nothing else.

    Raises:
        ValueError: It is something else, or holds something else.
        IndexError: It is cut off.
    """
    major, count, at = cbor.head(item, 0)
    if major != ARRAY:
        count, at = 1, 0
    for _ in range(count):
        if cbor.head(item, at)[0] != BYTES:
            raise ValueError("not a byte string")
        at = cbor.skip(item, at)
    return byte_strings(item)


def _key(raw: bytes, at: int) -> str:
    major, argument, begin = cbor.head(raw, at)
    if major == TEXT:
        return raw[begin : begin + argument].decode("utf-8", "replace")
    return str(argument)


def _padding(room: int) -> list[tuple[str, bytes]]:
    """Return padding headers that fill `room` bytes exactly; none for no room."""
    if room == 0:
        return []
    for first in range(5):  # lengths of lengths differ: a second, tiny one may be needed
        pairs = [("pad", first)] if first else []
        rest = room - sum(len(cbor.text(name)) + len(cbor.octets(bytes(n))) for name, n in pairs)
        name = "pad2" if pairs else "pad"
        for size in range(max(0, rest - 16), max(0, rest)):
            if len(cbor.text(name)) + len(cbor.octets(bytes(size))) == rest:
                return [
                    *((key, cbor.octets(bytes(n))) for key, n in pairs),
                    (name, cbor.octets(bytes(size))),
                ]
    raise ValueError("the padding has not room enough")
