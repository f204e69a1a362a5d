"""Which kind of file this is: by content for what is read, by suffix for what is written."""

from __future__ import annotations

from pathlib import Path

from edge.errors import UsageError

PICTURE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Suffix to media type of the pictures that are written."""

VIDEO_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
}
"""Suffix to media type of the videos that are written."""

INPUT_PICTURE_SUFFIXES = frozenset({*PICTURE_TYPES, ".bmp", ".tif", ".tiff", ".avif"})
"""Suffixes of pictures that are taken from a folder."""

INPUT_VIDEO_SUFFIXES = frozenset(
    {*VIDEO_TYPES, ".mkv", ".webm", ".avi", ".ts", ".mts", ".mpg", ".mpeg", ".3gp"}
)
"""Suffixes of videos that are taken from a folder."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def media_type_for(path: Path) -> str:
    """Return the media type that an output named `path` has.

    Raises:
        UsageError: The suffix is none that can be written.
    """
    known = PICTURE_TYPES | VIDEO_TYPES
    found = known.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"{path}: cannot write '{path.suffix or 'a file without suffix'}'; "
            f"name it one of {', '.join(sorted(known))}"
        )
    return found


def is_video(path: Path) -> bool:
    """Return whether an input is to be opened as a video: by suffix, by content if unknown."""
    suffix = path.suffix.lower()
    if suffix in INPUT_VIDEO_SUFFIXES:
        return True
    if suffix in INPUT_PICTURE_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return sniff(file.read(64)).startswith("video/")
    except OSError:
        return False


def sniff(data: bytes) -> str:
    """Return the media type that the first bytes of a file show.

    Args:
        data: At least the first 32 bytes.

    Returns:
        A media type, also of kinds that we name but cannot read (image/heic, image/gif), or
        "application/octet-stream".
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}.get(
            data[8:12], "application/octet-stream"
        )
    if data[4:8] == b"ftyp":
        return _iso_type(data)
    return "application/octet-stream"


_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\x00\x00\x00\x0cJXL ", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
    (b"%PDF", "application/pdf"),
)


def _iso_type(data: bytes) -> str:
    """Return the kind of an ISO base media file by its brands."""
    size = min(int.from_bytes(data[:4], "big"), len(data))
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, max(size, 16), 4))}
    if brands & {b"avif", b"avis"}:
        return "image/avif"
    if data[8:12] in _HEIF_BRANDS:
        return "image/heic"
    return "video/quicktime" if data[8:12] == b"qt  " else "video/mp4"
