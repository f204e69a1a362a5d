from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.provenance.container import Kind
from edge.provenance.decoding import dimensions, undecodable

Maker = Callable[[str], Path]
KINDS = {
    "jpg": Kind("image/jpeg"),
    "png": Kind("image/png"),
    "webp": Kind("image/webp"),
    "mp4": Kind("video/mp4", boxes=True),
}


@pytest.mark.parametrize("suffix", KINDS)
def test_whole_files_decode(suffix: str, plain: Maker) -> None:
    path = plain(suffix)
    assert undecodable(path, KINDS[suffix]) is None
    if suffix != "mp4":
        assert dimensions(path.read_bytes(), KINDS[suffix].media_type) == (160, 120)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_headers_that_are_cut_off(suffix: str, plain: Maker) -> None:
    content = plain(suffix).read_bytes()
    for length in (8, 12, 20):
        with pytest.raises(ValueError, match=r".+"):
            dimensions(content[:length], KINDS[suffix].media_type)


def test_a_giant_is_not_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + sum_

    path = tmp_path / "giant.png"
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert undecodable(path, KINDS["png"]) is None  # 30 GB if it were tried


def test_libpng_says_nothing_on_the_terminal(
    plain: Maker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(plain("png").read_bytes())
    content[content.find(b"IDAT") + 20] ^= 1
    path = tmp_path / "damaged.png"
    path.write_bytes(content)
    undecodable(path, KINDS["png"])
    assert capfd.readouterr() == ("", "")


def test_a_video_that_does_not_open(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" + b"\0\0\0\x08mdat")
    assert undecodable(path, KINDS["mp4"])


def test_kinds_that_are_not_tried(tmp_path: Path) -> None:
    assert undecodable(tmp_path / "none", Kind("audio/flac")) is None
