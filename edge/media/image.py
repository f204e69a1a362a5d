"""Read and encode pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError
from edge.limits import device_limits
from edge.media import exif
from edge.media.formats import FormatError, Header, avif, bmp, jpeg, png, tiff, webp
from edge.media.limits import Limits
from edge.media.quiet import captured_stderr
from edge.media.sniff import sniff
from edge.records import Region

JPEG_QUALITY = 92
"""0 to 100. Visually lossless at 4:4:4; the label's edges stay crisp."""

PNG_COMPRESSION = 4
"""zlib level: within 2 % of level 9's size at a fraction of its time."""

_PARSERS: MappingProxyType[str, Callable[[bytes], Header]] = MappingProxyType(
    {
        "image/jpeg": jpeg.parse,
        "image/png": png.parse,
        "image/webp": webp.parse,
        "image/bmp": bmp.parse,
        "image/tiff": tiff.parse,
        "image/avif": avif.parse,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as it was read.

    Attributes:
        frame: uint8 (H, W, 3) BGR, C-contiguous, upright.
        alpha: uint8 (H, W), 0 = clear, 255 = solid; None where the file has none.
        media_type: What the content is, whatever the file is called.
        sha256: Hex digest of the file's bytes.
        icc: ICC profile of the RGB pixels, carried over unapplied; None where there is none.
    """

    frame: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    media_type: str
    sha256: str
    icc: bytes | None = None


def read_picture(path: Path, limits: Limits | None = None) -> Picture:
    """Read a picture file, once, and decode it upright.

    JPEG, PNG and WebP; BMP, TIFF (first page) and AVIF where OpenCV can. Grey, palette, 16-bit and
    CMYK pictures become 8-bit BGR; TIFFs with Lab colours are refused. The size in the header is
    checked before anything is decoded.

    Args:
        path: The file; its content counts, not its suffix.
        limits: What is refused; this device's limits by default.

    Returns:
        The picture. Its frame belongs to the caller.

    Raises:
        MediaError: The file is missing, empty, truncated, damaged, too small, too large, animated,
            or no picture.
    """
    limits = limits or device_limits().picture
    data = _read_bytes(path, limits.max_bytes)
    media_type = sniff(data[:64])
    try:
        header = _parse(data, media_type)
        complaint = limits.complaint(header.width, header.height)
        if complaint is not None:
            raise FormatError(f"is a picture that cannot be used: {complaint}")
        stored = _decode(data)
        if stored.shape[0] * stored.shape[1] > limits.max_pixels:
            raise FormatError("is damaged: its header and its pixels differ in size")
        frame, alpha = _channels(stored, header, media_type)
    except FormatError as error:
        raise MediaError(f"{path}: {error}") from error
    return Picture(
        frame=exif.upright(frame, header.orientation),
        alpha=None if alpha is None else exif.upright(alpha, header.orientation),
        media_type=media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        icc=header.icc,
    )


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise MediaError(f"{path}: is not a file; give a picture file")
        with path.open("rb") as file:
            # No more than there is: room for all that is asked for is taken at once.
            data = file.read(min(max_bytes, os.fstat(file.fileno()).st_size) + 1)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path}: cannot be read: {reason}") from error
    if not data:
        raise MediaError(f"{path}: is empty")
    if len(data) > max_bytes:
        raise MediaError(f"{path}: is over {max_bytes // 2**20} MiB, the limit for a picture")
    return data


def _parse(data: bytes, media_type: str) -> Header:
    parser = _PARSERS.get(media_type)
    if parser is not None:
        return parser(data)
    if media_type.startswith("video/"):
        raise FormatError(
            "is a video, where a picture is needed (a video to swap is named .mp4 or .mov)"
        )
    if media_type.startswith("image/"):
        raise FormatError(f"is a {media_type[6:].upper()} picture; save it as JPEG, PNG or WebP")
    raise FormatError("is not a picture; JPEG, PNG, WebP, BMP, TIFF and AVIF are read")


def _decode(data: bytes) -> NDArray[np.generic]:
    """Return the stored pixels, not turned; uint8 or uint16, (H, W) or (H, W, 3 or 4) BGR(A)."""
    with captured_stderr() as complaints:
        try:
            # UNCHANGED keeps alpha and 16 bits and never turns the picture, in OpenCV 4 and 5.
            stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise FormatError("cannot be decoded: it is damaged") from error
        said = complaints()
    if stored is None or "premature end" in said.lower():
        raise FormatError("cannot be decoded: it is damaged, or of a kind this OpenCV cannot read")
    return cast("NDArray[np.generic]", stored)


def _channels(
    stored: NDArray[np.generic], header: Header, media_type: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return frame and alpha of decoded pixels."""
    if stored.dtype not in (np.uint8, np.uint16):
        raise FormatError(f"has {stored.dtype} samples; save it with 8 or 16 bits a channel")
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    stored = _as_meant(stored, header)
    clear: NDArray[np.bool_] | None = None
    if channels == 1 and header.clear_grey is not None:
        clear = stored.reshape(stored.shape[:2]) == header.clear_grey
    pixels = _eight_bits(stored, header.bits)
    if channels == 1:
        alpha = None if clear is None else np.where(clear, 0, 255).astype(np.uint8)
        return _u8(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)), alpha
    if channels == 3:
        return np.ascontiguousarray(pixels), None
    if channels != 4:
        raise FormatError(f"has {channels} channels; save it as grey, RGB or RGBA")
    frame = _u8(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR))
    alpha = np.ascontiguousarray(pixels[:, :, 3])
    # The fourth byte of a BMP is padding; OpenCV makes up a solid alpha for TIFFs in CMYK.
    made_up = media_type == "image/bmp" or (media_type == "image/tiff" and bool(alpha.min() == 255))
    return frame, None if made_up else alpha


def _as_meant(stored: NDArray[np.generic], header: Header) -> NDArray[np.generic]:
    """Return what OpenCV decoded of a TIFF as its tags mean it; the array itself otherwise.

    It leaves grey in 16 bits the wrong way round, and multiplies colours in 8 bits by the alpha.
    """
    if stored.dtype == np.uint16 and stored.ndim == 2 and header.white_is_zero:
        return cast("NDArray[np.generic]", cv2.bitwise_not(cast("NDArray[np.uint16]", stored)))
    multiplied = header.alpha == "multiplied" or (header.alpha and stored.dtype == np.uint8)
    if stored.ndim == 2 or stored.shape[2] != 4 or not multiplied:
        return stored
    *colours, alpha = cv2.split(cast("NDArray[np.uint8]", stored))
    most = 255 if stored.dtype == np.uint8 else 65_535
    apart = [cv2.divide(colour, alpha, scale=most) for colour in colours]
    return cast("NDArray[np.generic]", cv2.merge([*apart, alpha]))


def _eight_bits(pixels: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    """Return samples of so many bits, in uint16, as 8-bit ones, rounded; uint8 as they are."""
    if pixels.dtype == np.uint8:
        return cast("NDArray[np.uint8]", pixels)
    wide = cast("NDArray[np.uint16]", pixels)
    if bits <= 8:
        raise FormatError("is damaged: its header and its pixels differ in depth")
    return _u8(cv2.convertScaleAbs(wide, alpha=255 / (2**bits - 1)))


def _u8(array: object) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV's annotations do not."""
    return cast("NDArray[np.uint8]", array)


def solid_over(alpha: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Return a copy of an alpha channel that is solid in a region, so that what is drawn shows.

    Args:
        alpha: uint8 (H, W).
        region: The visible label's region, in frame pixels.
    """
    solid = alpha.copy()
    solid[region.y : region.y + region.height, region.x : region.x + region.width] = 255
    return solid


def encode_picture(
    frame: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None,
    media_type: str,
    *,
    quality: int = JPEG_QUALITY,
    icc: bytes | None = None,
) -> bytes:
    """Encode a picture.

    JPEG is written at 4:4:4, so that the label's coloured edges stay crisp; it holds no alpha, so
    the picture is laid on white. PNG is lossless.

    Args:
        frame: uint8 (H, W, 3) BGR.
        alpha: uint8 (H, W) or None.
        media_type: image/jpeg, image/png or image/webp.
        quality: 1 to 100, for JPEG and WebP.
        icc: ICC profile to embed, as it was read.

    Returns:
        The file's bytes.

    Raises:
        MediaError: The format cannot hold it, or is none that is written.
    """
    height, width = frame.shape[:2]
    if media_type == "image/jpeg":
        if alpha is not None:
            frame = _on_white(frame, alpha)
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
        suffix, embed = ".jpg", jpeg.with_icc
    elif media_type == "image/png":
        options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION]
        suffix, embed = ".png", png.with_icc
    elif media_type == "image/webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
        suffix, embed = ".webp", webp.with_icc
    else:
        raise MediaError(f"{media_type} is not written; JPEG, PNG and WebP are")
    pixels = frame if alpha is None or suffix == ".jpg" else np.dstack([frame, alpha])
    try:
        done, coded = cv2.imencode(suffix, pixels, options)
    except cv2.error as error:
        raise MediaError(f"a picture of {width}x{height} cannot be written as {suffix}") from error
    if not done:
        raise MediaError(f"a picture of {width}x{height} cannot be written as {suffix}")
    data = coded.tobytes()
    return data if icc is None else embed(data, icc)


def _on_white(frame: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the frame laid on white, in whole numbers: f * a + 255 * (255 - a), over 255."""
    solid = alpha.astype(np.uint16)[:, :, None]
    mixed = frame * solid + (255 * 255 - 255 * solid)
    return ((mixed + 127) // 255).astype(np.uint8)
