"""The signature of the active manifest: its parts, and what stands unsigned beside it.

A C2PA signature is a COSE_Sign1 (RFC 9052): protected headers, unprotected headers, nothing, the
signature. The unprotected headers are what neither the signature nor the picture's hash covers:
a time stamp, answers about revocation, and padding that keeps room for them.
"""

from __future__ import annotations

from dataclasses import dataclass

_LABEL = b"c2pa.signature\0"
_TAGGED_ARRAY = b"\xd2\x84"  # CBOR: COSE_Sign1, an array of four
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_MAX_DEPTH = 16
_NIL = b"\xf6"

STAMP = "sigTst2"
"""Header of a time stamp over the signature (C2PA 2.x, "CTT" storage)."""

CERTIFICATES = 33
"""COSE header x5chain (RFC 9360)."""

STAMPS = frozenset({"sigTst", STAMP})
"""Headers of time stamps, those of C2PA 1.x too."""

REVOCATION = "rVals"
"""Header of answers about revocation."""

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
        parts = (_text("CounterSignature"), self.protected, _bytes(b""), _bytes(self._boxed))
        return b"\x84" + b"".join(parts)

    @property
    def _boxed(self) -> bytes:
        return _bytes(self.signature)

    def header(self, name: str) -> bytes | None:
        """Return the CBOR of an unprotected header, or None."""
        return dict(self.headers).get(name)

    def paddings(self) -> tuple[bytes, ...]:
        """Return the content of the paddings."""
        return tuple(
            value[_head(value, 0)[2] :] for name, value in self.headers if name.startswith("pad")
        )

    def with_header(self, name: str, value: bytes) -> bytes:
        """Return a COSE_Sign1 of the same length that has one more header, taken from the padding.

        Args:
            name: Of the header; one that is there already is replaced.
            value: Its value as CBOR.

        Raises:
            ValueError: The padding has not room enough.
        """
        kept = [(key, item) for key, item in self.headers if key not in {name, "pad", "pad2"}]
        pairs = [*kept, (name, value)]
        tail = _NIL + _bytes(self.signature)
        body = b"".join(_text(key) + item for key, item in pairs)
        bare = len(_TAGGED_ARRAY + self.protected + tail) + 1 + len(body)
        padding = _padding(len(self.raw) - bare)
        count = len(pairs) + len(padding)
        if count > 23:
            raise ValueError("too many headers")
        filled = body + b"".join(_text(key) + item for key, item in padding)
        made = _TAGGED_ARRAY + self.protected + bytes([0xA0 | count]) + filled + tail
        if len(made) != len(self.raw):
            raise ValueError("the padding has not room enough")
        return made


def find_signature(store: bytes) -> Signature | None:
    """Return the last signature in a manifest store, which is that of the active claim.

    Args:
        store: From `edge.provenance.store.read_store`.

    Returns:
        None where there is no signature of this form.

    Raises:
        ValueError: It is malformed.
    """
    label = store.rfind(_LABEL)
    box = store.find(b"cbor", label)
    if label < 0 or box < 4:
        return None
    end = box - 4 + int.from_bytes(store[box - 4 : box], "big")
    raw = store[box + 4 : end]
    if not raw.startswith(_TAGGED_ARRAY):
        return None
    try:
        return _parsed(box + 4, raw)
    except IndexError as error:
        raise ValueError("the signature is cut off") from error


def _parsed(start: int, raw: bytes) -> Signature:
    at = _skip(raw, len(_TAGGED_ARRAY))
    protected = raw[len(_TAGGED_ARRAY) : at]
    major, pairs, at = _head(raw, at)
    if major != _MAP:
        raise ValueError("no map of unprotected headers")
    headers = []
    for _ in range(pairs):
        value = _skip(raw, at)
        end = _skip(raw, value)
        headers.append((_key(raw, at), raw[value:end]))
        at = end
    if raw[at : at + 1] != _NIL:
        raise ValueError("the payload is not detached")
    at += 1
    major, length, begin = _head(raw, at)
    if major != _BYTES or begin + length > len(raw):
        raise ValueError("no signature in it")
    return Signature(start, raw, protected, tuple(headers), raw[begin : begin + length])


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


def protected_chains(signature: Signature) -> list[bytes]:
    """Return the CBOR of the chains among the protected headers: one, or none in older manifests.

    Raises:
        ValueError: The headers are malformed.
        IndexError: They are cut off.
    """
    _, length, begin = _head(signature.protected, 0)
    inner = signature.protected[begin : begin + length]
    major, pairs, at = _head(inner, 0)
    found = []
    for _ in range(pairs if major == _MAP else 0):
        key, value = at, _skip(inner, at)
        at = _skip(inner, value)
        if _head(inner, key)[:2] == (0, CERTIFICATES) or _key(inner, key) == _CHAIN_TEXT:
            found.append(inner[value:at])
    return found


def stamp_header(*tokens: bytes) -> bytes:
    """Return the value of the header `sigTst2` for RFC 3161 tokens in DER, as CBOR."""
    listed = b"".join(b"\xa1" + _text("val") + _bytes(token) for token in tokens)
    return b"\xa1" + _text("tstTokens") + _length(_ARRAY, len(tokens)) + listed


def revocation_header(*answers: bytes) -> bytes:
    """Return the value of the header `rVals` for OCSP responses in DER, as CBOR."""
    listed = b"".join(map(_bytes, answers))
    return b"\xa1" + _text("ocspVals") + _length(_ARRAY, len(answers)) + listed


def byte_strings(item: bytes) -> list[bytes]:
    """Return every byte string in a CBOR item, in its order.

    Raises:
        ValueError: It is malformed.
        IndexError: It is cut off.
    """
    major, argument, at = _head(item, 0)
    if major == _BYTES:
        return [item[at : at + argument]]
    found: list[bytes] = []
    if major in {_ARRAY, _MAP, _TAG}:
        for _ in range({_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}[major]):
            end = _skip(item, at)
            found += byte_strings(item[at:end])
            at = end
    return found


def listed_bytes(item: bytes) -> list[bytes]:
    """Return the byte strings of a CBOR item that is one, or an array of them and nothing else.

    Raises:
        ValueError: It is something else, or holds something else.
        IndexError: It is cut off.
    """
    major, count, at = _head(item, 0)
    if major != _ARRAY:
        count, at = 1, 0
    for _ in range(count):
        if _head(item, at)[0] != _BYTES:
            raise ValueError("not a byte string")
        at = _skip(item, at)
    return byte_strings(item)


def _key(raw: bytes, at: int) -> str:
    major, argument, begin = _head(raw, at)
    if major == _TEXT:
        return raw[begin : begin + argument].decode("utf-8", "replace")
    return str(argument)


def _padding(room: int) -> list[tuple[str, bytes]]:
    """Return padding headers that fill `room` bytes exactly; none for no room."""
    if room == 0:
        return []
    for first in range(5):  # lengths of lengths differ: a second, tiny one may be needed
        pairs = [("pad", first)] if first else []
        rest = room - sum(len(_text(name)) + len(_bytes(bytes(n))) for name, n in pairs)
        name = "pad2" if pairs else "pad"
        for size in range(max(0, rest - 16), max(0, rest)):
            if len(_text(name)) + len(_bytes(bytes(size))) == rest:
                return [*((key, _bytes(bytes(n))) for key, n in pairs), (name, _bytes(bytes(size)))]
    raise ValueError("the padding has not room enough")


def _text(text: str) -> bytes:
    return _length(_TEXT, len(text.encode())) + text.encode()


def _bytes(content: bytes) -> bytes:
    return _length(_BYTES, len(content)) + content


def _length(major: int, number: int) -> bytes:
    for short, size in ((24, 1), (25, 2), (26, 4)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << (8 * size):
            return bytes([major << 5 | short]) + number.to_bytes(size, "big")
    raise ValueError("too long")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument, and where the content of a CBOR item starts.

    Raises:
        ValueError: An item of unknown length, which C2PA does not use.
        IndexError: There is nothing at `at`.
    """
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise ValueError("an item of unknown length")
    size = 1 << (short - 24)
    return major, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _skip(data: bytes, at: int, depth: int = 0) -> int:
    """Return where the CBOR item at `at` ends.

    Raises:
        ValueError: It is malformed, or nested too deep.
        IndexError: It is cut off.
    """
    major, argument, at = _head(data, at)
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if major in {_BYTES, _TEXT}:
        at += argument
    elif major in {_ARRAY, _MAP, _TAG}:
        count = {_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}[major]
        for _ in range(count):
            at = _skip(data, at, depth + 1)
    if at > len(data):
        raise ValueError("it reaches past the end")
    return at
