from __future__ import annotations

import contextlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import boxes


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _meta(*, full: bool) -> bytes:
    handler = _box(b"hdlr", b"\0" * 8 + b"mdta" + b"\0" * 13)
    keys = _box(b"keys", b"\0" * 4 + struct.pack(">I", 1) + _box(b"mdta", b"AIGC"))
    data = _box(b"data", struct.pack(">II", 1, 0) + b"value")
    values = _box(b"ilst", _box(struct.pack(">I", 1), data))
    return _box(b"meta", (b"\0" * 4 if full else b"") + handler + keys + values)


@pytest.mark.parametrize("full", [True, False], ids=["mp4", "mov"])
@pytest.mark.parametrize("in_user_data", [True, False])
def test_metadata(*, full: bool, in_user_data: bool) -> None:
    meta = _meta(full=full)
    inner = _box(b"udta", meta) if in_user_data else meta
    data = _box(b"ftyp", b"isom\0\0\0\0") + _box(b"moov", _box(b"mvhd", b"") + inner)
    assert boxes.metadata(io.BytesIO(data), len(data)) == {"AIGC": "value"}


def test_large_and_open_sizes() -> None:
    large = struct.pack(">I4sQ", 1, b"free", 20) + b"abcd"
    rest = struct.pack(">I4s", 0, b"mdat") + b"xyz"
    found = list(boxes.walk(io.BytesIO(large + rest), 0, len(large + rest)))
    assert [(b.kind, b.start, b.end) for b in found] == [(b"free", 16, 20), (b"mdat", 28, 31)]


def test_xmp_box() -> None:
    data = _box(b"ftyp", b"isom") + _box(b"uuid", boxes.XMP_UUID + b"<x/>")
    assert boxes.xmp(io.BytesIO(data), len(data)) == b"<x/>"


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x10moov",
        b"\0\0\0\x02moov",
        b"abc",
        b"\0\0\0\x01free\0\0",
        _box(b"a" * 4, b"") + b"x",
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"stray|reaches|cut off"):
        list(boxes.walk(io.BytesIO(data), 0, len(data)))


@given(st.binary(max_size=300))
def test_metadata_of_anything_ends(data: bytes) -> None:
    whole = _box(b"moov", _box(b"udta", _box(b"meta", data)))
    with contextlib.suppress(ValueError):
        boxes.metadata(io.BytesIO(whole), len(whole))
