from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.provenance.container import Kind
from edge.provenance.unhashed import Unhashed, look_at_unhashed

Maker = Callable[[str], Path]
MP4 = Kind("video/mp4", boxes=True)
GOOGLE = b"IsoMedia File Produced with Google, 5-11-2011"


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _found(tmp_path: Path, *boxes: bytes) -> Unhashed:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"".join(boxes))
    return look_at_unhashed(path, MP4)


FTYP = _box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
MOOF = _box(b"moof", b"")


def _index(*tables: bytes, size: int = 0) -> bytes:
    inner = b"".join(tables)
    end = _box(b"mfro", struct.pack(">II", 0, size or 8 + len(inner) + 16))
    return _box(b"mfra", inner + end)


def _table(*entries: tuple[int, int], track: int = 1, sizes: int = 0, more: bytes = b"") -> bytes:
    head = struct.pack(">IIII", 1 << 24, track, sizes, len(entries))
    body = b"".join(struct.pack(">QQ", *entry) + b"\1\1\1" for entry in entries)
    return _box(b"tfra", head + body + more)


@pytest.mark.parametrize("suffix", ["mp4", "jpg"])
def test_ours_hold_nothing(suffix: str, signed: Maker) -> None:
    kind = MP4 if suffix == "mp4" else Kind("image/jpeg")
    assert look_at_unhashed(signed(suffix), kind) == Unhashed()


@pytest.mark.parametrize(
    "boxes",
    [
        (_box(b"free", b""),),
        (_box(b"free", bytes(3 << 20)), _box(b"skip", bytes(8))),
        (MOOF, _index(_table((0, 32)), _table((0, 32), track=2))),
        (_index(),),
    ],
    ids=["empty", "zeros", "an index", "an empty index"],
)
def test_what_honest_files_have(boxes: tuple[bytes, ...], tmp_path: Path) -> None:
    assert _found(tmp_path, FTYP, *boxes) == Unhashed()


@pytest.mark.parametrize(
    "brands",
    [b"qt  \x20\x05\3\0qt  " + bytes(12), b"M4V \0\0\0\1M4V M4A mp42isom", b"mp42\0\0\0\0"],
)
def test_brands(brands: bytes, tmp_path: Path) -> None:
    assert _found(tmp_path, _box(b"ftyp", brands)) == Unhashed()


def test_a_name_that_an_encoder_left(tmp_path: Path) -> None:
    assert _found(tmp_path, FTYP, _box(b"free", GOOGLE)) == Unhashed(text=GOOGLE.decode())
    padded = _box(b"free", bytes(9) + GOOGLE + bytes(900))
    assert _found(tmp_path, FTYP, padded).text == GOOGLE.decode()


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ((FTYP, _box(b"free", b"HIDDEN" * 50_000)), "free room"),
        ((FTYP, _box(b"skip", b"\x89PNG")), "free room"),
        ((FTYP, _box(b"free", bytes(2 << 20) + b"\xff")), "free room"),
        ((FTYP, *[_box(b"free", b"a letter in pieces")] * 20), "free room"),
        ((FTYP, FTYP), "twice"),
        ((FTYP, _index(), _index()), "twice"),
        ((_box(b"ftyp", b"isom\0\0\0\0iso"),), "ftyp"),
        ((_box(b"ftyp", b"isom\0\0\0\0\xff\xd8\xff\xe0"),), "ftyp"),
        ((_box(b"ftyp", b"isom\0\0\0\0" + b"HIDE" * 100),), "ftyp"),
        ((_box(b"ftyp", b"isom"),), "ftyp"),
        ((FTYP, _box(b"mfra", _box(b"free", b"HIDDEN"))), "mfra"),
        ((FTYP, _box(b"mfra", b"")), "mfra"),
        ((FTYP, _index(_box(b"free", b"HIDDEN"))), "mfra"),
        ((FTYP, _index(size=7)), "mfra"),
        ((FTYP, MOOF, _index(_table((0, 32), more=b"HIDDEN"))), "mfra"),
        ((FTYP, MOOF, _index(_table((0, 32)), _table((0, 32)))), "mfra"),
        ((FTYP, MOOF, _index(_table((0, 1 << 40)))), "mfra"),
        ((FTYP, MOOF, _index(_table((9, 32), (8, 32)))), "mfra"),
        ((FTYP, MOOF, _index(_table((0, 32), sizes=1 << 20))), "mfra"),
        ((FTYP, MOOF, _index(_table(*[(0, 32)] * 17))), "mfra"),
        ((FTYP, _index(_table((0, 32)))), "mfra"),  # of fragments that are not there
        ((FTYP, _index(_box(b"tfra", b"\0"))), "too early"),
        ((FTYP, b"\0\0\0\1"), "stray"),
    ],
)
def test_what_has_no_business_there(boxes: tuple[bytes, ...], words: str, tmp_path: Path) -> None:
    assert words in (_found(tmp_path, *boxes).foreign or "")
