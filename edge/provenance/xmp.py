"""XMP packets: made with the implicit label in them, put into a picture, and read back.

The namespace of the AIGC property is TC260's; `Iptc4xmpExt:DigitalSourceType` says the same in the
IPTC's words, which platforms read as well.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from edge.errors import MediaError, ProvenanceError

if TYPE_CHECKING:
    from collections.abc import Iterator

TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
COMPOSITE_WITH_AI = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
"""IPTC digital source type of a picture that a trained model has changed in part."""

MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")

_JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_PNG_HEAD = b"XML:com.adobe.xmp\0"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_PACKET = 1 << 20

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about="" xmlns:TC260="{tc260}" xmlns:Iptc4xmpExt="{iptc}">
   <TC260:AIGC>{aigc}</TC260:AIGC>
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def packet(aigc: str) -> bytes:
    """Return an XMP packet, UTF-8, that carries the AIGC JSON text."""
    text = _PACKET.format(
        rdf=_RDF, tc260=TC260, iptc=IPTC, aigc=escape(aigc), source=COMPOSITE_WITH_AI
    )
    return text.encode("utf-8")


def properties(content: bytes) -> dict[str, str]:
    """Return the properties of an XMP packet that matter here: `AIGC`, `DigitalSourceType`.

    The packet is untrusted: one with a document type (and so with entities) is not parsed.

    Raises:
        MediaError: It is too large, or not XML.
    """
    content = content.strip(b"\0 \r\n\t")
    # A zero byte is UTF-16 or 32, which is legal, unheard of, and would hide the other two.
    if len(content) > _MAX_PACKET or any(b in content for b in (b"<!DOCTYPE", b"<!ENTITY", b"\0")):
        raise MediaError("its XMP packet is over 1 MB, not UTF-8, or defines entities: not read")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MediaError(f"its XMP packet is not XML: {error}") from error
    wanted = {f"{{{TC260}}}AIGC": "AIGC", f"{{{IPTC}}}DigitalSourceType": "DigitalSourceType"}
    found: dict[str, str] = {}
    for node in root.iter():
        if node.tag in wanted:
            text = node.get(f"{{{_RDF}}}resource") or "".join(node.itertext())
            found.setdefault(wanted[node.tag], text.strip())
        for name, value in node.attrib.items():
            if name in wanted:
                found.setdefault(wanted[name], value.strip())
    return found


def put(data: bytes, media_type: str, content: bytes) -> bytes:
    """Return the encoded picture with the XMP packet `content`, in place of any it had.

    Args:
        data: A complete JPEG, PNG or WebP file, as an encoder of ours wrote it.
        media_type: One of `MEDIA_TYPES`.
        content: From `packet`.

    Raises:
        ProvenanceError: Not such a file, or a media type without a place for XMP here.
    """
    writers = {"image/jpeg": _put_jpeg, "image/png": _put_png, "image/webp": _put_webp}
    if media_type not in writers:
        raise ProvenanceError(f"no implicit label can be written into {media_type}")
    try:
        return writers[media_type](data, content)
    except (ValueError, struct.error, IndexError) as error:
        raise ProvenanceError(f"the encoded {media_type} is malformed: {error}") from error


def get(data: bytes, media_type: str) -> bytes | None:
    """Return the XMP packet of an encoded JPEG, PNG or WebP, or None; never raises for bad data."""
    try:
        if media_type == "image/jpeg":
            for marker, body in jpeg_segments(data):
                if marker == 0xE1 and body.startswith(_JPEG_HEAD):
                    return body[len(_JPEG_HEAD) :]
        elif media_type == "image/png":
            for kind, body in png_chunks(data):
                if kind == b"iTXt" and body.startswith(_PNG_HEAD):
                    return _png_text(body)
        elif media_type == "image/webp":
            for kind, body in riff_chunks(data):
                if kind == b"XMP ":
                    return body
    except (ValueError, struct.error, IndexError, zlib.error):
        return None  # a broken container is the container check's finding
    return None


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, body) of the segments before the picture data."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("not a JPEG")
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError(f"no marker at byte {at}")
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if marker in {0xDA, 0xD9}:
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise ValueError(f"segment at byte {at} reaches past the end")
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, body) of every chunk; the checksums are not looked at."""
    if data[:8] != _PNG_SIGNATURE:
        raise ValueError("not a PNG")
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            raise ValueError(f"chunk '{kind.decode('latin-1')}' reaches past the end")
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IEND":
            return
    raise ValueError("no IEND chunk")


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, body) of the chunks of a RIFF file such as WebP."""
    if data[:4] != b"RIFF":
        raise ValueError("not a RIFF file")
    (size,) = struct.unpack_from("<I", data, 4)
    end, at = 8 + size, 12
    if end > len(data):
        raise ValueError("the file is shorter than it says")
    while at + 8 <= end:
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > end:
            raise ValueError(f"chunk '{kind.decode('latin-1')}' reaches past the end")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + (length & 1)


def _put_jpeg(data: bytes, content: bytes) -> bytes:
    segment = _JPEG_HEAD + content
    if len(segment) + 2 > 0xFFFF:
        raise ValueError("the XMP packet is over 64 kB")
    head, rest = [b"\xff\xd8"], 2
    placed = False
    written = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    for marker, body in jpeg_segments(data):
        rest += 4 + len(body)
        # JFIF (APP0) and Exif (APP1) want to come first
        first = marker == 0xE0 or (marker == 0xE1 and body.startswith(b"Exif\0"))
        if not first and not placed:
            head.append(written)
            placed = True
        if marker == 0xE1 and body.startswith((_JPEG_HEAD, _JPEG_MORE)):
            continue
        head.append(bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body)
    if not placed:
        head.append(written)
    return b"".join(head) + data[rest:]


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _put_png(data: bytes, content: bytes) -> bytes:
    out = [_PNG_SIGNATURE]
    for kind, body in png_chunks(data):
        if kind == b"iTXt" and body.startswith(_PNG_HEAD):
            continue
        out.append(_png_chunk(kind, body))
        if kind == b"IHDR":  # not compressed, no language, no translated keyword
            out.append(_png_chunk(b"iTXt", _PNG_HEAD + b"\0\0\0\0" + content))
    return b"".join(out)


def _png_text(body: bytes) -> bytes:
    compressed = body[len(_PNG_HEAD)] == 1
    at = len(_PNG_HEAD) + 2
    for _ in range(2):  # language tag, translated keyword
        at = body.index(b"\0", at) + 1
    if not compressed:
        return body[at:]
    unpacker = zlib.decompressobj()
    return unpacker.decompress(body[at:], _MAX_PACKET + 1)


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _put_webp(data: bytes, content: bytes) -> bytes:
    chunks = [(k, b) for k, b in riff_chunks(data) if k != b"XMP "]
    if chunks[0][0] == b"VP8X":
        header = bytearray(chunks.pop(0)[1])
    else:
        width, height, alpha = webp_size(*chunks[0])
        header = bytearray(10)
        header[0] = 0x10 if alpha else 0
        header[4:7] = (width - 1).to_bytes(3, "little")
        header[7:10] = (height - 1).to_bytes(3, "little")
    header[0] |= 0x04  # there is XMP
    chunks = [(b"VP8X", bytes(header)), *chunks, (b"XMP ", content)]
    body = b"WEBP" + b"".join(_riff_chunk(kind, part) for kind, part in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_size(kind: bytes, body: bytes) -> tuple[int, int, bool]:
    """Return width, height and whether there is alpha, of a WebP picture chunk (VP8 or VP8L)."""
    if kind == b"VP8 ":
        if body[3:6] != b"\x9d\x01\x2a":
            raise ValueError("no VP8 key frame")
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF, False
    if kind == b"VP8L" and body[:1] == b"\x2f":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    raise ValueError(f"unknown WebP chunk '{kind.decode('latin-1')}'")
