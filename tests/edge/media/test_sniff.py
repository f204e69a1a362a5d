from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.media.sniff import is_video, media_type_for, sniff


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.JPEG", "image/jpeg"),
        ("a.png", "image/png"),
        ("a.WebP", "image/webp"),
        ("a.mp4", "video/mp4"),
        ("a.m4v", "video/mp4"),
        ("a.b.mov", "video/quicktime"),
    ],
)
def test_suffix_names_the_output(name: str, media_type: str) -> None:
    assert media_type_for(Path(name)) == media_type


@pytest.mark.parametrize("name", ["a.gif", "a", "a.mkv", "a.tiff"])
def test_unknown_suffix_names_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.jpg.*\.webp"):
        media_type_for(Path(name))


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "application/octet-stream"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avif", "image/avif"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif", "image/avif"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ", "video/quicktime"),
        (b"hello world", "application/octet-stream"),
    ],
)
def test_content_shows_the_type(start: bytes, media_type: str) -> None:
    assert sniff(start) == media_type


@given(st.binary(max_size=64))
def test_sniff_never_fails(data: bytes) -> None:
    assert "/" in sniff(data)


def test_is_video_goes_by_suffix_then_by_content(tmp_path: Path) -> None:
    assert is_video(Path("missing.MP4"))
    assert not is_video(Path("missing.jpg"))
    assert not is_video(tmp_path / "missing")
    clip = tmp_path / "clip"
    clip.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42")
    assert is_video(clip)
