from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from edge.errors import MediaError
from edge.media.image import encode_picture, read_picture, solid_over
from edge.media.limits import Limits
from edge.records import Region

RED, BLUE = (220, 30, 40), (20, 60, 200)  # RGB


def _rgb(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """Left half red, right half blue; uint8 (H, W, 3) RGB."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2] = RED
    pixels[:, width // 2 :] = BLUE
    return pixels


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _noise(kind: str) -> bytes:
    rng = np.random.default_rng(0)
    return _file(Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)), kind)


def _write(folder: Path, data: bytes, name: str = "a.jpg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _close(frame: NDArray[np.uint8], x: int, rgb: tuple[int, int, int], slack: int = 4) -> None:
    seen = frame[frame.shape[0] // 2, x, ::-1].astype(int)
    np.testing.assert_allclose(seen, rgb, atol=slack)


SOURCES = {
    "jpeg": lambda i: _file(i, "JPEG", quality=95),
    "progressive": lambda i: _file(i, "JPEG", quality=95, progressive=True),
    "cmyk": lambda i: _file(i.convert("CMYK"), "JPEG", quality=95),
    "png": lambda i: _file(i, "PNG"),
    "palette": lambda i: _file(i.quantize(4), "PNG"),
    "webp": lambda i: _file(i, "WEBP", quality=95),
    "webp-lossless": lambda i: _file(i, "WEBP", lossless=True),
    "bmp": lambda i: _file(i, "BMP"),
    "tiff": lambda i: _file(i, "TIFF"),
    "tiff-cmyk": lambda i: _file(i.convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_colours_are_right_whatever_the_file_is_called(tmp_path: Path, source: str) -> None:
    data = SOURCES[source](Image.fromarray(_rgb()))
    picture = read_picture(_write(tmp_path, data, "wrong-name.png"))
    assert picture.frame.shape == (32, 48, 3)
    assert picture.frame.dtype == np.uint8
    assert picture.frame.flags.c_contiguous
    assert picture.alpha is None
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    _close(picture.frame, 5, RED, 8)
    _close(picture.frame, 42, BLUE, 8)


def test_inverted_ycck_of_adobe_is_read(tmp_path: Path) -> None:
    """Photoshop's CMYK JPEGs: YCCK, inverted. Pillow writes CMYK, so the channels are made here."""
    cmyk = np.asarray(Image.fromarray(_rgb()).convert("CMYK"))
    luma = np.asarray(Image.fromarray(255 - cmyk[:, :, :3]).convert("YCbCr"))
    ycck = np.dstack([255 - luma, cmyk[:, :, 3]])  # Pillow inverts all four when it writes
    data = bytearray(_file(Image.fromarray(ycck, "CMYK"), "JPEG", quality=98, subsampling=0))
    at = data.index(b"Adobe")
    data[at + 11] = 2  # the transform flag: 2 is YCCK
    picture = read_picture(_write(tmp_path, bytes(data)))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_allclose(picture.frame[:, :, ::-1], expected, atol=6)


def test_avif_is_read_where_opencv_can(tmp_path: Path) -> None:
    if not cv2.haveImageReader(str(_write(tmp_path, _file(Image.fromarray(_rgb()), "AVIF")))):
        with pytest.raises(MediaError, match="this OpenCV cannot read"):
            read_picture(tmp_path / "a.jpg")
        return
    exif = Image.Exif()
    exif[0x0112] = 6
    for options, shape in (({}, (32, 48, 3)), ({"exif": exif}, (48, 32, 3))):
        data = _file(Image.fromarray(_rgb()), "AVIF", quality=95, **options)
        assert read_picture(_write(tmp_path, data)).frame.shape == shape


def test_avif_is_turned_as_pillow_turns_it(tmp_path: Path) -> None:
    plain = _write(tmp_path, _file(Image.fromarray(_rgb()), "AVIF"))
    if not cv2.haveImageReader(str(plain)):
        pytest.skip("this OpenCV was built without AVIF")
    pixels = _rgb()
    pixels[:16, :24] = (250, 250, 250)
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        data = _file(Image.fromarray(pixels), "AVIF", quality=98, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        expected = np.asarray(upright.convert("RGB"))
        seen = read_picture(_write(tmp_path, data)).frame
        np.testing.assert_allclose(seen[:, :, ::-1], expected, atol=12, err_msg=str(value))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_honoured_once(tmp_path: Path, kind: str, value: int) -> None:
    pixels = _rgb()
    pixels[:16, :24] = (250, 250, 250)
    exif = Image.Exif()
    exif[0x0112] = value
    data = _file(Image.fromarray(pixels), kind, exif=exif, quality=95)
    opened = Image.open(io.BytesIO(data))
    if kind == "TIFF":  # Pillow turns a TIFF while it loads it
        opened.load()
        expected = np.asarray(opened)
    else:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    seen = read_picture(_write(tmp_path, data)).frame
    np.testing.assert_allclose(seen[:, :, ::-1], expected, atol=60)
    corners = {(y, x): seen[y, x].tolist() for y in (2, -3) for x in (2, -3)}
    assert sum(min(pixel) > 200 for pixel in corners.values()) == 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_kept_and_turned_with_the_picture(tmp_path: Path, kind: str) -> None:
    rgba = Image.fromarray(_rgb()).convert("RGBA")
    alpha = np.zeros((32, 48), np.uint8)
    alpha[:16] = 255
    rgba.putalpha(Image.fromarray(alpha))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(_write(tmp_path, _file(rgba, kind, exif=exif, lossless=True)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, np.rot90(alpha, 3))


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("grey and alpha", "LA", {}),
        ("colour key", "RGB", {"transparency": RED}),
        ("grey key", "L", {"transparency": 88}),
        ("1-bit key", "1", {"transparency": 0}),
    ],
)
def test_every_png_transparency_becomes_alpha(
    tmp_path: Path, name: str, mode: str, options: dict[str, Any]
) -> None:
    source = Image.fromarray(_rgb()).convert(mode, dither=Image.Dither.NONE)
    data = _file(source, "PNG", **options)
    picture = read_picture(_write(tmp_path, data))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert picture.alpha is not None, name
    np.testing.assert_array_equal(picture.alpha, expected[:, :, 3])
    np.testing.assert_array_equal(picture.frame[:, :, ::-1], expected[:, :, :3])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_and_rounded(tmp_path: Path, channels: int) -> None:
    levels = np.linspace(0, 65535, 32 * 32 * channels).astype(np.uint16)
    stored = levels.reshape((32, 32) if channels == 1 else (32, 32, channels))
    _, coded = cv2.imencode(".png", stored)
    picture = read_picture(_write(tmp_path, coded.tobytes()))
    expected = np.round(stored / 257).astype(np.uint8)
    if channels == 1:
        expected = np.dstack([expected] * 3)
    np.testing.assert_array_equal(picture.frame, expected[:, :, :3])
    if channels == 4:
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.alpha, expected[:, :, 3])


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_depth_of_avif_is_as_bright(tmp_path: Path, bits: int, channels: int) -> None:
    levels = np.full((32, 48, channels), (40, 120, 250, 200)[:channels], np.float64)
    stored = np.round(levels * (2**bits - 1) / 255).astype(np.uint8 if bits == 8 else np.uint16)
    options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 95]
    try:
        _, coded = cv2.imencode(".avif", stored, [*options, cv2.IMWRITE_AVIF_SPEED, 9])
    except cv2.error:
        pytest.skip("this OpenCV was built without AVIF")
    picture = read_picture(_write(tmp_path, coded.tobytes()))
    expected = np.broadcast_to(levels[:, :, :3], (32, 48, 3))
    np.testing.assert_allclose(picture.frame, expected, atol=3)
    if channels == 4:
        assert picture.alpha is not None
        np.testing.assert_allclose(picture.alpha, 200, atol=3)


def test_an_avif_whose_depth_is_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _file(Image.fromarray(_rgb()), "AVIF")
    deep = np.zeros((32, 48, 3), np.uint16)
    monkeypatch.setattr("edge.media.image._decode", lambda data: deep)
    with pytest.raises(MediaError, match="differ in depth"):
        read_picture(_write(tmp_path, data))


def test_sixteen_bit_grey_key_becomes_alpha(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint16)
    stored[:16] = 1000
    _, coded = cv2.imencode(".png", stored)
    body = b"tRNS" + struct.pack(">H", 1000)
    key = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    data = coded.tobytes()
    picture = read_picture(_write(tmp_path, data[:33] + key + data[33:]))
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[-1, 0] == 255


def _tiff(pixels: NDArray[Any], colours: int, extra: int | None = None) -> bytes:
    """Return an uncompressed TIFF; `colours` and `extra` are its tags 262 and 338."""
    height, width = pixels.shape[:2]
    count, bits = pixels[0, 0].size, 8 * pixels.itemsize
    raw = pixels.tobytes()
    tags = {256: width, 257: height, 259: 1, 262: colours, 273: 8, 277: count, 278: height}
    tags |= {279: len(raw)} | ({} if extra is None else {338: extra})
    start = 8 + len(raw)
    end = start + 2 + 12 * (len(tags) + 1) + 4
    entries = [(tag, 4 if tag in {273, 279} else 3, 1, value) for tag, value in tags.items()]
    entries.append((258, 3, count, bits if count == 1 else end))
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    head = struct.pack("<2sHI", b"II", 42, start) + raw + struct.pack("<H", len(entries))
    return head + directory + bytes(4) + struct.pack(f"<{count}H", *[bits] * count)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", [0, 1, 2], ids=["unsaid", "multiplied", "straight"])
def test_colours_of_a_clear_tiff_are_as_bright(
    tmp_path: Path, kind: type[np.uint8] | type[np.uint16], extra: int
) -> None:
    most = int(np.iinfo(kind).max)
    pixels = np.zeros((32, 48, 4), kind)
    pixels[..., :3] = np.multiply(RED, most // 255)
    pixels[:, 24:, 3] = most // 255 * 128
    pixels[:, :4, 3] = most
    if extra == 1:
        pixels[..., :3] = np.rint(pixels[..., :3] * (pixels[..., 3:] / most))
    picture = read_picture(_write(tmp_path, _tiff(pixels, 2, extra)))
    assert picture.alpha is not None
    assert [int(picture.alpha[0, x]) for x in (0, 10, 40)] == [255, 0, 128]
    _close(picture.frame, 1, RED, 1)
    _close(picture.frame, 40, RED, 1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white(tmp_path: Path, kind: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.full((32, 48), np.iinfo(kind).max // 255 * 55, kind)
    assert read_picture(_write(tmp_path, _tiff(pixels, 0))).frame[0, 0, 0] == 200
    assert read_picture(_write(tmp_path, _tiff(pixels, 1))).frame[0, 0, 0] == 55


@pytest.mark.parametrize("colours", [8, 9, 10])
def test_lab_colours_are_refused(tmp_path: Path, colours: int) -> None:
    pixels = np.full((32, 48, 3), 100, np.uint8)
    with pytest.raises(MediaError, match="Lab colours; save it as RGB"):
        read_picture(_write(tmp_path, _tiff(pixels, colours)))


def test_grey_and_one_bit(tmp_path: Path) -> None:
    for mode in ("L", "1"):
        source = Image.fromarray(_rgb()).convert(mode)
        picture = read_picture(_write(tmp_path, _file(source, "PNG")))
        np.testing.assert_array_equal(picture.frame[:, :, 0], np.asarray(source.convert("L")))


# ---- bad input


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.95, -2])
def test_truncated(tmp_path: Path, kind: str, keep: float, capfd: Any) -> None:
    data = _noise(kind)
    cut = int(len(data) * keep) if keep > 0 else len(data) + int(keep)
    path = _write(tmp_path, data[:cut])
    with pytest.raises(MediaError, match=r"a\.jpg: (is truncated|is damaged|cannot be decoded)"):
        read_picture(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is text and no picture at all", "is not a picture"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "is a video"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"GIF89a\x01\x00\x01\x00", "GIF"),
        (b"\xff\xd8\xff\xd9", "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is truncated"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        read_picture(_write(tmp_path, data))


def test_missing_folder_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no such file"):
        read_picture(tmp_path / "none.jpg")
    with pytest.raises(MediaError, match="is not a file"):
        read_picture(tmp_path)
    with pytest.raises(MediaError, match="is not a file"):
        read_picture(Path("/dev/zero"))
    with pytest.raises(MediaError):
        read_picture(tmp_path / "a\x00b.jpg")
    if os.getuid() != 0:
        path = _write(tmp_path, _noise("PNG"))
        path.chmod(0)
        with pytest.raises(MediaError, match="cannot be read"):
            read_picture(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_one_pixel_is_too_small(tmp_path: Path, kind: str) -> None:
    with pytest.raises(MediaError, match="1x1 is too small"):
        read_picture(_write(tmp_path, _file(Image.new("RGB", (1, 1)), kind)))


def _claiming(kind: str, side: int) -> bytes:
    """Return a small picture whose header claims `side` by `side` pixels."""
    data = bytearray(_noise(kind))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    elif kind == "PNG":
        data[16:24] = struct.pack(">II", side, side)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    elif kind == "TIFF":
        for tag in (256, 257):
            at = data.index(struct.pack("<HH", tag, 4), 8)
            data[at + 8 : at + 12] = struct.pack("<I", side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_over_large_is_refused_before_decoding(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)  # decoding would fail the test
    with pytest.raises(MediaError, match=r"20000x20000 is too large.*64 megapixels"):
        read_picture(_write(tmp_path, _claiming(kind, 20_000)))


def test_real_20000_square_png_costs_no_memory(tmp_path: Path) -> None:
    rows = zlib.compressobj(9)
    line = b"\x00" * (1 + 20_000 // 8)
    body = b"".join(rows.compress(line * 100) for _ in range(200)) + rows.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)
    with pytest.raises(MediaError, match="20000x20000 is too large"):
        read_picture(_write(tmp_path, data + chunk(b"IEND", b"")))


def test_a_great_limit_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    assert read_picture(path, Limits(max_bytes=1 << 60)).frame.shape == (40, 40, 3)


def test_limits_are_options(tmp_path: Path) -> None:
    path = _write(tmp_path, _noise("PNG"))
    with pytest.raises(MediaError, match="over 0 MiB"):
        read_picture(path, Limits(max_bytes=100))
    with pytest.raises(MediaError, match="64x64 is too large"):
        read_picture(path, Limits(max_side=63))


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for kind in ("WEBP", "PNG"):
        data = _file(frames[0], kind, save_all=True, append_images=frames[1:])
        with pytest.raises(MediaError, match="animated"):
            read_picture(_write(tmp_path, data))


def test_float_samples_are_refused(tmp_path: Path) -> None:
    _, coded = cv2.imencode(".tiff", np.zeros((32, 32), np.float32))
    with pytest.raises(MediaError, match="float32 samples"):
        read_picture(_write(tmp_path, coded.tobytes()))


_BASES = {kind: _noise(kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF")}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(sorted(_BASES)), st.data())
def test_mutated_files_raise_nothing_but_media_errors(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    changed = bytearray(_BASES[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(changed), 400) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        picture = read_picture(_write(tmp_path, bytes(changed)), Limits(max_pixels=1_000_000))
    except MediaError:
        return
    assert picture.frame.ndim == 3


# ---- encoding


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
def test_encoded_pictures_read_back(tmp_path: Path, media_type: str) -> None:
    frame = np.ascontiguousarray(_rgb()[:, :, ::-1])
    path = _write(tmp_path, encode_picture(frame, None, media_type))
    picture = read_picture(path)
    assert picture.media_type == media_type
    assert picture.alpha is None
    slack = 60 if media_type == "image/webp" else 9  # WebP halves the colour resolution
    np.testing.assert_allclose(picture.frame, frame, atol=slack)
    _close(picture.frame, 5, RED)


def test_jpeg_keeps_full_colour_resolution() -> None:
    data = encode_picture(np.zeros((32, 32, 3), np.uint8), None, "image/jpeg")
    at = data.index(b"\xff\xc0")
    assert data[at + 11] == 0x11  # sampling factors of Y: as many chroma samples as luma


@pytest.mark.parametrize("media_type", ["image/png", "image/webp"])
def test_alpha_is_written(tmp_path: Path, media_type: str) -> None:
    frame = np.ascontiguousarray(_rgb()[:, :, ::-1])
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:, :20] = 128
    picture = read_picture(_write(tmp_path, encode_picture(frame, alpha, media_type)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha)


def test_jpeg_lays_alpha_on_white(tmp_path: Path) -> None:
    frame = np.ascontiguousarray(_rgb()[:, :, ::-1])
    alpha = np.zeros((32, 48), np.uint8)
    alpha[:, 24:] = 255
    picture = read_picture(_write(tmp_path, encode_picture(frame, alpha, "image/jpeg")))
    assert picture.alpha is None
    _close(picture.frame, 5, (255, 255, 255))
    _close(picture.frame, 42, BLUE)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_colour_profile_is_carried_over(
    tmp_path: Path, source: str, media_type: str, with_alpha: bool
) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read_picture(
        _write(tmp_path, _file(Image.fromarray(_rgb()), source, icc_profile=icc))
    )
    assert picture.icc == icc
    alpha = np.full((32, 48), 9, np.uint8) if with_alpha else None
    data = encode_picture(picture.frame, alpha, media_type, icc=picture.icc)
    opened = Image.open(io.BytesIO(data))
    assert opened.info["icc_profile"] == icc
    opened.load()
    again = read_picture(_write(tmp_path, data))
    assert again.icc == icc
    assert (again.alpha is not None) == (with_alpha and media_type != "image/jpeg")


def test_large_profile_spans_jpeg_segments(tmp_path: Path) -> None:
    icc = bytes(16) + b"RGB " + os.urandom(150_000)
    frame = np.zeros((32, 32, 3), np.uint8)
    data = encode_picture(frame, None, "image/jpeg", icc=icc)
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == icc
    assert read_picture(_write(tmp_path, data)).icc == icc


def test_profile_of_another_colour_space_is_left_out(tmp_path: Path) -> None:
    icc = bytes(16) + b"CMYK" + bytes(200)
    data = _file(Image.fromarray(_rgb()).convert("CMYK"), "JPEG", icc_profile=icc)
    assert read_picture(_write(tmp_path, data)).icc is None


def test_what_a_format_cannot_hold_is_refused() -> None:
    with pytest.raises(MediaError, match="is not written"):
        encode_picture(np.zeros((32, 32, 3), np.uint8), None, "image/tiff")
    with pytest.raises(MediaError, match="cannot be written"):
        encode_picture(np.zeros((8, 16_384, 3), np.uint8), None, "image/webp")


def test_solid_over_copies() -> None:
    alpha = np.zeros((32, 32), np.uint8)
    solid = solid_over(alpha, Region(4, 8, 10, 5))
    assert alpha.max() == 0
    assert int((solid == 255).sum()) == 50
    assert solid[8, 4] == solid[12, 13] == 255
