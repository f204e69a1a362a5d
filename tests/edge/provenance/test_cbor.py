from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import cbor
from edge.provenance.cbor import ARRAY, BYTES, MAP, TAG


@pytest.mark.parametrize(
    ("spelling", "argument"),
    [
        (b"\x52", 18),
        (b"\x58\x12", 18),
        (b"\x59\0\x12", 18),
        (b"\x5a\0\0\0\x12", 18),
        (b"\x5b" + bytes(7) + b"\x12", 18),
    ],
)
def test_every_spelling_of_a_number(spelling: bytes, argument: int) -> None:
    assert cbor.head(spelling, 0) == (BYTES, argument, len(spelling))
    tagged = bytes([spelling[0] | 0x80]) + spelling[1:]
    assert cbor.head(tagged, 0) == (TAG, argument, len(spelling))


@given(st.binary(max_size=300))
def test_what_is_written_ends_where_it_should(content: bytes) -> None:
    written = cbor.octets(content)
    assert cbor.skip(written + b"more", 0) == len(written)
    assert written.endswith(content)


@pytest.mark.parametrize("item", [b"\x9f\1\2\xff", b"\xbf\1\2\xff", b"\x5f\x41a\x41b\xff"])
def test_items_of_unknown_length(item: bytes) -> None:
    assert cbor.skip(item + b"!", 0) == len(item)
    with pytest.raises(ValueError, match="unknown length"):
        cbor.head(item, 0)
    with pytest.raises(IndexError):
        cbor.skip(item[:-1], 0)


def test_parts() -> None:
    for array in (b"\x82\1\x41x", b"\x98\2\1\x41x", b"\x9f\1\x41x\xff"):
        found, end = cbor.parts(array, 0, ARRAY)
        assert [array[slice(*each)] for each in found] == [b"\1", b"\x41x"]
        assert end == len(array)
    for mapping in (b"\xa1\1\x41x", b"\xbf\1\x41x\xff"):
        found, end = cbor.parts(mapping, 0, MAP)
        assert (len(found), end) == (2, len(mapping))
        with pytest.raises(ValueError, match=r"not an array|unknown length"):
            cbor.parts(mapping, 0, ARRAY)
    with pytest.raises(ValueError, match="without a value"):
        cbor.parts(b"\xbf\1\xff", 0, MAP)


def test_too_deep() -> None:
    for nested in (b"\x81" * 100 + b"\0", b"\x9f" * 100 + b"\xff" * 100):
        with pytest.raises(ValueError, match="deep"):
            cbor.skip(nested, 0)


@given(st.binary(max_size=40))
def test_any_bytes_end_in_an_answer(noise: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        assert 0 < cbor.skip(noise, 0) <= len(noise)
