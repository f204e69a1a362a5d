"""What a file is by its first bytes, whether its container is whole, and whether C2PA is in it."""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from edge.provenance import boxes, xmp

_JUMBF_C2PA = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""Description box of a C2PA manifest store, whatever container holds it."""

_REMAINS = (b"c2pa\0", b"c2pa.")
"""How labels in every manifest store end or begin, by which a damaged one is told."""

_MAX_PICTURE = 1 << 30

SEGMENT_HEAD = 29
"""Bytes of a JPEG's APP11 segment by which `begins_store` tells what it is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of media file.

    Attributes:
        media_type: As the C2PA library spells it.
        boxes: Whether it is made of MP4-like boxes.
        manifests: Whether a C2PA manifest can stand in it.
    """

    media_type: str
    boxes: bool = False
    manifests: bool = True


_AT_START: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", Kind("image/jpeg")),
    (b"\x89PNG\r\n\x1a\n", Kind("image/png")),
    (b"GIF87a", Kind("image/gif")),
    (b"GIF89a", Kind("image/gif")),
    (b"II*\0", Kind("image/tiff")),
    (b"MM\0*", Kind("image/tiff")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Kind("image/jxl")),
    (b"%PDF-", Kind("application/pdf")),
    (b"ID3", Kind("audio/mpeg")),
    (b"fLaC", Kind("audio/flac")),
    (b"BM", Kind("image/bmp", manifests=False)),
    (b"\x1a\x45\xdf\xa3", Kind("video/x-matroska", manifests=False)),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/avi"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}


def sniff(head: bytes) -> Kind | None:
    """Return what a file is by its first 64 bytes, or None for anything that is not media."""
    for start, kind in _AT_START:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return Kind(_RIFF[head[8:12]])
    if head[4:8] == b"ftyp":
        return Kind(_BRANDS.get(head[8:12], "video/mp4"), boxes=True)
    if head[4:8] in {b"moov", b"mdat", b"wide"}:  # QuickTime files from before `ftyp`
        return Kind("video/quicktime", boxes=True)
    return None


def has_c2pa(path: Path) -> bool:
    """Return whether a C2PA manifest store, or what is left of one, is in the file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_JUMBF_C2PA) >= 0:
                return True
            if content.find(b"uuid" + boxes.C2PA_UUID) >= 4:
                return True
    return _has_c2pa_place(path)


def begins_store(body: bytes) -> bool:
    """Return whether a JPEG's APP11 segment is the first of a C2PA manifest store.

    Boxes of others stand in such segments too (JPEG XT, JPEG 360). No more is asked for than the
    C2PA library asks for: what it reads must be what is checked here.

    Args:
        body: The segment without marker and length: JP, the box's number, the segment's number,
            head of the box, head and type of its description.
    """
    return len(body) >= SEGMENT_HEAD and body[24:28] == b"c2pa"


def continues_store(body: bytes, first: bytes) -> bool:
    """Return whether a later APP11 segment is a part of the store that `first` begins."""
    return len(body) > 16 and body[2:4] == first[2:4]


def _has_c2pa_place(path: Path) -> bool:
    """Return whether a picture has the segment or chunk that only a manifest store stands in.

    In a JPEG others' boxes stand in such segments too: what is in them has to tell.
    """
    data = path.read_bytes() if path.stat().st_size <= _MAX_PICTURE else b""
    found = False
    try:
        if data[:2] == b"\xff\xd8":
            boxes_in = [body for marker, body in xmp.jpeg_segments(data) if marker == 0xEB]
            found = any(begins_store(b) or any(r in b for r in _REMAINS) for b in boxes_in)
        elif data[:4] == b"\x89PNG":
            found = any(kind == b"caBX" for kind, _ in xmp.png_chunks(data))
        elif data[:4] == b"RIFF":
            found = any(kind == b"C2PA" for kind, _ in xmp.riff_chunks(data))
    except (ValueError, struct.error, IndexError):
        return False  # broken before such a place: the container check says so
    return found


def problem(path: Path, kind: Kind) -> str | None:
    """Return what is broken in the file's container, or None where nothing was found.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        if kind.boxes:
            return _boxes_problem(path, kind)
        if kind.media_type in xmp.MEDIA_TYPES:
            return _picture_problem(path, kind.media_type)
    except (ValueError, struct.error, IndexError) as error:
        return str(error) or "malformed"
    return None


def _boxes_problem(path: Path, kind: Kind) -> str | None:
    size = path.stat().st_size
    with path.open("rb") as file:
        kinds = [box.kind for box in boxes.walk(file, 0, size)]
    if kind.media_type.startswith(("video/", "audio/")):
        if b"moov" not in kinds:
            return "no moov box: the recording was not finished, or its end is missing"
        if b"mdat" not in kinds:
            return "no mdat box: there is no picture or sound in it"
    return None


def _png_problem(data: bytes) -> str | None:
    """Return the first chunk whose checksum does not fit: C2PA's hash leaves its own chunk out."""
    at = 8
    for kind, body in xmp.png_chunks(data):
        end = at + 8 + len(body)
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return f"the checksum of the chunk '{kind.decode('latin-1')}' does not fit"
        at = end + 4
    return None


def _picture_problem(path: Path, media_type: str) -> str | None:
    if path.stat().st_size > _MAX_PICTURE:
        return "over 1 GB"
    data = path.read_bytes()
    if media_type == "image/jpeg":
        # Looked for after the headers: the thumbnail in an Exif segment has an end of its own.
        headers = 2 + sum(4 + len(body) for _, body in xmp.jpeg_segments(data))
        return None if data.rfind(b"\xff\xd9") >= headers else "the end of the picture is missing"
    if media_type == "image/png":
        return _png_problem(data)
    kinds = [kind for kind, _ in xmp.riff_chunks(data)]
    if not {b"VP8 ", b"VP8L", b"ANMF"} & set(kinds):
        return "no picture in it"
    return None
