"""Every header parser: right about whole files, and never anything but a FormatError."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge.media.formats import FormatError, avif, bmp, jpeg, png, rgb_profile, tiff, webp

FORMATS: dict[str, tuple[ModuleType, str]] = {
    "avif": (avif, "AVIF"),
    "bmp": (bmp, "BMP"),
    "jpeg": (jpeg, "JPEG"),
    "png": (png, "PNG"),
    "tiff": (tiff, "TIFF"),
    "webp": (webp, "WEBP"),
}
names = pytest.mark.parametrize("name", FORMATS)


def _whole(kind: str, width: int = 37, height: int = 21) -> bytes:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


WHOLE = {name: _whole(kind) for name, (_, kind) in FORMATS.items()}


@names
def test_size_is_read(name: str) -> None:
    header = FORMATS[name][0].parse(WHOLE[name])
    assert (header.width, header.height) == (37, 21)
    assert header.orientation == 1
    assert header.icc is None


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_kind_of_webp(lossless: bool, alpha: bool) -> None:
    out = io.BytesIO()
    Image.new("RGBA" if alpha else "RGB", (37, 21), (9, 9, 9, 9) if alpha else (9, 9, 9)).save(
        out, "WEBP", lossless=lossless
    )
    header = webp.parse(out.getvalue())
    assert (header.width, header.height) == (37, 21)


@pytest.mark.parametrize(("flags", "bits"), [(0x0C, 8), (0x4C, 10), (0x6C, 12)])
def test_depth_of_an_avif(flags: int, bits: int) -> None:
    data = bytearray(WHOLE["avif"])
    data[data.index(b"av1C") + 6] = flags
    assert avif.parse(bytes(data)).bits == bits


def test_bmp_from_top_to_bottom_and_of_os2() -> None:
    data = bytearray(WHOLE["bmp"])
    data[22:26] = (-21).to_bytes(4, "little", signed=True)
    assert bmp.parse(bytes(data)).height == 21
    data[14:18] = (12).to_bytes(4, "little")
    data[18:22] = (5).to_bytes(2, "little") + (6).to_bytes(2, "little")
    header = bmp.parse(bytes(data))
    assert (header.width, header.height) == (5, 6)


def test_big_tiff_of_either_byte_order() -> None:
    def entry(tag: int, value: int) -> bytes:
        return (
            tag.to_bytes(2, "big")
            + (16).to_bytes(2, "big")
            + (1).to_bytes(8, "big")
            + value.to_bytes(8, "big")
        )

    data = b"MM\x00+\x00\x08\x00\x00" + (16).to_bytes(8, "big") + (2).to_bytes(8, "big")
    header = tiff.parse(data + entry(256, 37) + entry(257, 21))
    assert (header.width, header.height) == (37, 21)


def test_stray_bytes_and_many_scans_in_jpeg() -> None:
    data = WHOLE["jpeg"]
    assert jpeg.parse(data[:2] + b"\x00\x01stray\xff\xff" + data[2:]).width == 37
    assert jpeg.parse(data + b"behind the end").width == 37
    scan = b"\xff\xda\x00\x02"
    with pytest.raises(FormatError, match="more than 100 JPEG scans"):
        jpeg.parse(data[:-2] + scan * 101 + b"\xff\xd9")


def test_zipped_profile_that_swells_is_left_out() -> None:
    data = png.with_icc(WHOLE["png"], bytes(16) + b"RGB " + bytes(20_000_000))
    assert png.parse(data).icc is None


def test_only_rgb_profiles_are_carried() -> None:
    assert rgb_profile(bytes(16) + b"RGB " + bytes(200)) is not None
    assert rgb_profile(bytes(16) + b"GRAY" + bytes(200)) is None
    assert rgb_profile(b"short") is None


def _parses_or_refuses(parse: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse(data)


@names
@given(data=st.data())
def test_mutated_files(name: str, data: st.DataObject) -> None:
    changed = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(0, 5))):
        changed[data.draw(st.integers(0, min(len(changed), 500) - 1))] = data.draw(
            st.integers(0, 255)
        )
    keep = data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))
    _parses_or_refuses(FORMATS[name][0].parse, bytes(changed[:keep]))


@names
@given(noise=st.binary(max_size=300))
def test_noise_behind_the_signature(name: str, noise: bytes) -> None:
    _parses_or_refuses(FORMATS[name][0].parse, WHOLE[name][:12] + noise)
    _parses_or_refuses(FORMATS[name][0].parse, noise)
