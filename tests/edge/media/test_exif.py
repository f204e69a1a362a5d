from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge.media import exif


def _block(value: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = value
    return tags.tobytes()


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_read_with_and_without_its_marker(value: int) -> None:
    assert exif.orientation(_block(value)) == value
    assert exif.orientation(_block(value).removeprefix(b"Exif\x00\x00")) == value


def test_orientation_is_read_in_either_byte_order() -> None:
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    assert exif.orientation(b"MM\x00*\x00\x00\x00\x08\x00\x01" + entry) == 6


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_out_of_range_is_none(value: int) -> None:
    assert exif.orientation(_block(value)) == 1


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"II*\x00", b"MM\x00*", b"Exif\x00\x00II*\x00"])
)
def test_orientation_never_fails(noise: bytes, start: bytes) -> None:
    assert 1 <= exif.orientation(start + noise) <= 8


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("channels", [None, 3])
def test_upright_agrees_with_pillow(value: int, channels: int | None) -> None:
    shape = (4, 6) if channels is None else (4, 6, channels)
    stored = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    picture = Image.fromarray(stored)
    picture.getexif()[0x0112] = value
    seen = exif.upright(stored, value)
    np.testing.assert_array_equal(seen, np.asarray(ImageOps.exif_transpose(picture)))
    assert seen.flags.c_contiguous
