from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import MediaError, ProvenanceError
from edge.provenance import xmp

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
TEXT = '{"Label":"1","ContentProducer":"a&b<c>"}'


def _encoded(media_type: str, channels: int = 3) -> bytes:
    frame = np.random.default_rng(0).integers(0, 256, (17, 23, channels), dtype=np.uint8)
    return cv2.imencode(SUFFIXES[media_type], frame)[1].tobytes()


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("media_type", xmp.MEDIA_TYPES)
def test_put_and_get(media_type: str) -> None:
    plain = _encoded(media_type)
    assert xmp.get(plain, media_type) is None
    once = xmp.put(plain, media_type, xmp.packet("{}"))
    twice = xmp.put(once, media_type, xmp.packet(TEXT))
    np.testing.assert_array_equal(_pixels(plain), _pixels(twice))
    assert twice.count(b"W5M0MpCehiHzreSzNTczkc9d") == 1  # replaced, not added
    content = xmp.get(twice, media_type)
    assert content is not None
    found = xmp.properties(content)
    assert found == {"AIGC": TEXT, "DigitalSourceType": xmp.COMPOSITE_WITH_AI}


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_with_alpha_keeps_it(*, lossless: bool) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (9, 11, 4), dtype=np.uint8)
    quality = [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 80]
    plain = cv2.imencode(".webp", frame, quality)[1].tobytes()
    out = xmp.put(plain, "image/webp", xmp.packet(TEXT))
    np.testing.assert_array_equal(_pixels(plain), _pixels(out))
    assert _pixels(out).shape == (9, 11, 4)


def test_exif_stays_in_front_in_jpeg() -> None:
    exif = b"\xff\xe1" + struct.pack(">H", 10) + b"Exif\0\0II"
    plain = _encoded("image/jpeg")
    data = plain[:2] + exif + plain[2:]
    out = xmp.put(data, "image/jpeg", xmp.packet(TEXT))
    assert out.index(b"Exif\0") < out.index(b"adobe.com/xap")


def test_compressed_png_text_is_read_within_bounds() -> None:
    plain = _encoded("image/png")
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp.packet(TEXT))
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"iTXt" + body))
    content = xmp.get(plain[:33] + chunk + plain[33:], "image/png")
    assert content is not None
    assert xmp.properties(content)["AIGC"] == TEXT
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"\x20" * (50 << 20))
    chunk = struct.pack(">I", len(bomb)) + b"iTXt" + bomb + b"\0\0\0\0"
    content = xmp.get(plain[:33] + chunk + plain[33:], "image/png")
    assert content is not None
    assert len(content) <= (1 << 20) + 1


@pytest.mark.parametrize("media_type", xmp.MEDIA_TYPES)
def test_truncated_files_are_refused(media_type: str) -> None:
    plain = _encoded(media_type)
    for length in range(0, min(len(plain), 200), 7):
        with pytest.raises(ProvenanceError):
            xmp.put(plain[:length], media_type, xmp.packet(TEXT))
        xmp.get(plain[:length], media_type)


def test_other_media_types_are_refused() -> None:
    with pytest.raises(ProvenanceError, match="image/gif"):
        xmp.put(b"GIF89a", "image/gif", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"<a",
        b"",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "<a/>".encode("utf-16"),
        b"<a>" + b" " * (1 << 20) + b"</a>",
    ],
)
def test_hostile_packets_are_not_read(content: bytes) -> None:
    with pytest.raises(MediaError):
        xmp.properties(content)


def test_both_spellings_of_a_property_are_read() -> None:
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    as_attribute = f'<r xmlns:T="{xmp.TC260}" T:AIGC="x"/>'.encode()
    as_resource = (
        f'<r xmlns:I="{xmp.IPTC}" xmlns:rdf="{rdf}"><I:DigitalSourceType rdf:resource="y"/></r>'
    )
    assert xmp.properties(as_attribute) == {"AIGC": "x"}
    assert xmp.properties(as_resource.encode()) == {"DigitalSourceType": "y"}


@given(st.binary(max_size=200), st.sampled_from(xmp.MEDIA_TYPES))
def test_get_never_raises(data: bytes, media_type: str) -> None:
    heads = {"image/jpeg": b"\xff\xd8", "image/png": b"\x89PNG\r\n\x1a\n", "image/webp": b"RIFF"}
    xmp.get(heads[media_type] + data, media_type)
