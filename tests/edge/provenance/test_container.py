from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.provenance.container import has_c2pa, problem, sniff
from tests.edge.provenance.conftest import OTHERS_BOXES, with_segment

Maker = Callable[[str], Path]


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
    ],
)
def test_sniff(head: bytes, media_type: str) -> None:
    kind = sniff(head)
    assert kind is not None
    assert kind.media_type == media_type


@pytest.mark.parametrize("head", [b"", b"hello world", b"RIFF\0\0\0\0ABCD", b"\0" * 64])
def test_what_is_no_media(head: bytes) -> None:
    assert sniff(head) is None


def _kind(path: Path):  # type: ignore[no-untyped-def]
    return sniff(path.read_bytes()[:64])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "mp4"])
def test_whole_files(suffix: str, plain: Maker, signed: Maker) -> None:
    for path, c2pa in ((plain(suffix), False), (signed(suffix), True)):
        assert problem(path, _kind(path)) is None
        assert has_c2pa(path) is c2pa


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "mp4"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_truncated_files(suffix: str, share: float, plain: Maker, tmp_path: Path) -> None:
    content = plain(suffix).read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * share)])
    assert problem(path, _kind(path))


def test_every_checksum_of_a_png_is_looked_at(signed: Maker, tmp_path: Path) -> None:
    """The manifest's own chunk is left out of its hash: a flipped bit there shows here."""
    content = bytearray(signed("png").read_bytes())
    start = content.find(b"caBX")
    for at in range(start, start + 9000, 777):
        content[at] ^= 1
        path = tmp_path / "flipped.png"
        path.write_bytes(content)
        assert "checksum" in (problem(path, _kind(path)) or "")
        content[at] ^= 1


@pytest.mark.parametrize("box", OTHERS_BOXES)
def test_boxes_of_others_are_no_manifest(
    box: str, plain: Maker, signed: Maker, tmp_path: Path
) -> None:
    for make, c2pa in ((plain, False), (signed, True)):
        path = tmp_path / "with-a-box.jpg"
        path.write_bytes(with_segment(make("jpg").read_bytes(), OTHERS_BOXES[box]))
        assert has_c2pa(path) is c2pa


def test_a_manifest_with_a_damaged_heart_is_still_seen(signed: Maker, tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "webp"):
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(signed(suffix).read_bytes().replace(b"jumdc2pa", b"jumdXXXX"))
        assert has_c2pa(path)
