from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance.jumbf import Compressed, boxes_in, signature_place
from tests.edge.provenance.conftest import store_of, superbox


def _boxed(content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), b"cbor") + content


def _manifest(label: bytes, *parts: bytes, kind: bytes = b"c2ma") -> bytes:
    return superbox(kind, label, b"".join(parts))


def _signature(content: bytes) -> bytes:
    return superbox(b"c2cs", b"c2pa.signature", content)


def _found(store: bytes, manifest: str | None = None) -> bytes | None:
    place = signature_place(store, manifest)
    return None if place is None else store[slice(*place)]


def test_the_active_one_is_the_last() -> None:
    one, two = (_manifest(name, _signature(_boxed(name))) for name in (b"one", b"two"))
    store = superbox(b"c2pa", b"c2pa", one + two)
    assert _found(store) == b"two"
    assert _found(store, "one") == b"one"
    assert _found(store_of(b"three")) == b"three"
    with pytest.raises(ValueError, match="not in the store"):
        signature_place(store, "three")
    with pytest.raises(ValueError, match="twice"):
        signature_place(superbox(b"c2pa", b"c2pa", one + one), "one")


def test_one_without_a_signature() -> None:
    assert _found(superbox(b"c2pa", b"c2pa", _manifest(b"one"))) is None


@pytest.mark.parametrize(
    "parts",
    [
        [_signature(_boxed(b"a")), _signature(_boxed(b"b"))],
        [_signature(_boxed(b"a") + _boxed(b"a letter"))],
        [_signature(b"")],
        [_signature(struct.pack(">I4s", 8, b"json"))],
        [_boxed(b"a letter")],
    ],
    ids=["two", "more in it", "nothing in it", "no CBOR", "no superbox"],
)
def test_what_nobody_can_be_sure_of(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        signature_place(superbox(b"c2pa", b"c2pa", _manifest(b"one", *parts)))


def test_a_compressed_one() -> None:
    manifest = _manifest(b"one", struct.pack(">I4s", 12, b"brob") + b"\x1bt1\0", kind=b"c2cm")
    with pytest.raises(Compressed):
        signature_place(superbox(b"c2pa", b"c2pa", manifest))


def test_a_wrong_size() -> None:
    for size in (0, 7, 17):
        with pytest.raises(ValueError, match="size"):
            list(boxes_in(struct.pack(">I4s", size, b"jumb") + bytes(8), 0, 16))


@given(st.binary(max_size=80))
def test_any_bytes_end_in_an_answer(noise: bytes) -> None:
    for store in (noise, store_of(noise), superbox(b"c2pa", b"c2pa", noise)):
        with contextlib.suppress(ValueError, struct.error):
            signature_place(store)
