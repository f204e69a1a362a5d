"""Pictures and videos that were made to hurt who reads them: one clear line, and soon."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import MediaError
from edge.limits import limits_path
from edge.media.image import encode_picture, read_picture
from edge.media.video_in import open_video
from edge.provenance.verify import verify_file

pytest.importorskip("c2pa")

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 48, 3), np.uint8)


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, PIXELS)[1].tobytes())


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *extra: bytes, rows: bytes | None = None) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packed = rows if rows is not None else zlib.compress(b"\0" * (3 * width + 1) * height)
    parts = (head, *extra, chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bomb() -> bytes:
    """100 MB of zeros in 100 kB."""
    return zlib.compress(bytes(100 << 20), 9)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(*extra: bytes) -> bytes:
    data = encoded(".jpg")
    return data[:2] + b"".join(extra) + data[2:]


def exif(body: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + body)


def xmp(body: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + body)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a header of 60000 x 60000": (
        lambda: png(60_000, 60_000, rows=zlib.compress(b"")),
        "too large",
    ),
    "a header of 2^31 - 1": (lambda: png(2**31 - 1, 2**31 - 1, rows=b""), "too large"),
    "a WebP canvas of 2^24": (
        lambda: (
            b"RIFF"
            + struct.pack("<I", 40)
            + b"WEBPVP8X"
            + struct.pack("<I", 10)
            + b"\0\0\0\0"
            + b"\xff" * 6
            + b"VP8L"
            + struct.pack("<I", 10)
            + b"\x2f"
            + b"\xff" * 9
        ),
        "too large",
    ),
    "a BMP of 2^31 lines": (
        lambda: (
            b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 1 << 30, 1 << 30, 1, 24, *[0] * 6)
        ),
        "too large",
    ),
    "a TIFF of terabytes": (
        lambda: (
            b"II*\0"
            + struct.pack("<IH", 8, 2)
            + struct.pack("<HHII", 256, 4, 1, 1 << 20)
            + struct.pack("<HHII", 257, 4, 1, 1 << 20)
            + bytes(4)
        ),
        "too large",
    ),
    "10,000 scans": (
        lambda: jpeg(*[segment(0xDA, b"\1\1\0\0\x3f\0")] * 10_000),
        "more than 100 JPEG scans",
    ),
    "a TIFF whose directory is its own next": (
        lambda: b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8),
        "has no size",
    ),
    "an AVIF of nested boxes": (
        lambda: (
            struct.pack(">I", 20)
            + b"ftypavif"
            + bytes(8)
            + b"".join(struct.pack(">I", 8 * (999 - n)) + b"meta" for n in range(999))
        ),
        "truncated",
    ),
    "an AVIF box of size 0 in a box": (
        lambda: struct.pack(">I", 20) + b"ftypavif" + bytes(8) + bytes(4) + b"meta" + bytes(4),
        "AVIF",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bombs_are_refused_before_they_are_decoded(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    path = tmp_path / "in.jpg"
    path.write_bytes(make())
    assert path.stat().st_size < 1_000_000
    with pytest.raises(MediaError) as caught:
        read_picture(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert verify_file(path).exit_status in {2, 4, 5}


READ: dict[str, Callable[[], bytes]] = {
    "a bomb in an ICC profile": lambda: png(48, 40, chunk(b"iCCP", b"p\0\0" + bomb())),
    "a bomb in a text": lambda: png(48, 40, chunk(b"zTXt", b"Comment\0\0" + bomb())),
    "a bomb in an XMP packet": lambda: png(
        48, 40, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb())
    ),
    "an ICC profile of noise": lambda: jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1" + PIXELS.tobytes())),
    "an ICC profile in 255 parts of one": lambda: jpeg(
        segment(0xE2, b"ICC_PROFILE\0\xff\xff" + b"x")
    ),
    "EXIF that points beyond the end": lambda: jpeg(exif(b"II*\0" + struct.pack("<I", 1 << 31))),
    "EXIF with 65,535 entries": lambda: jpeg(exif(b"MM\0*" + struct.pack(">IH", 8, 65_535))),
    "EXIF with a directory that is its own next": lambda: jpeg(
        exif(b"II*\0" + struct.pack("<IHI", 8, 0, 8))
    ),
    "EXIF of an orientation that there is not": lambda: jpeg(
        exif(b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 0xFFFF, 0))
    ),
    "XMP with entities": lambda: jpeg(
        xmp(b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>')
    ),
    "XMP that names a file": lambda: jpeg(
        xmp(b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>')
    ),
    "XMP 8,000 deep": lambda: jpeg(xmp(b"<a>" * 8_000 + b"</a>" * 8_000)),
    "XMP that is no UTF-8": lambda: jpeg(xmp(b"\xff\xfe\0<\0x\0>")),
}


@pytest.mark.parametrize("name", READ)
def test_broken_metadata_is_no_reason_to_stumble(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    path.write_bytes(READ[name]())
    picture = read_picture(path)
    assert picture.frame.shape == (40, 48, 3)
    assert picture.icc is None
    verdict = verify_file(path)
    assert verdict.exit_status == 5
    assert "root:" not in str(verdict.to_dict())


def polyglot(kind: str) -> bytes:
    payload = io.BytesIO()
    with zipfile.ZipFile(payload, "w") as archive:
        archive.writestr("payload.html", "<script>PAYLOAD</script>")
    inside = b"<script>PAYLOAD</script>"
    return {
        "a zip behind a JPEG": lambda: encoded(".jpg") + payload.getvalue(),
        "a page in a JPEG's comment": lambda: jpeg(segment(0xFE, b"*/=1;" + inside)),
        "a page in a PNG's text": lambda: png(48, 40, chunk(b"tEXt", b"Comment\0" + inside)),
        "a video behind a PNG": lambda: png(48, 40) + struct.pack(">I", 16) + b"ftypisomPAYL",
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        "a zip behind a JPEG",
        "a page in a JPEG's comment",
        "a page in a PNG's text",
        "a video behind a PNG",
    ],
)
def test_nothing_of_a_polyglot_but_its_pixels_goes_on(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    path.write_bytes(polyglot(kind))
    picture = read_picture(path)
    for media_type in ("image/jpeg", "image/png", "image/webp"):
        out = encode_picture(picture.frame, picture.alpha, media_type, icc=picture.icc)
        for trace in (b"PAYLOAD", b"PK\3\4", b"ftyp", b"<script"):
            assert trace not in out


# Videos ------------------------------------------------------------------------------------------


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 40, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(PIXELS, format="bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def inside(data: bytes, kind: bytes) -> tuple[int, int]:
    """Return where the first box of a kind begins and ends."""
    at = data.index(kind) - 4
    return at, at + int.from_bytes(data[at : at + 4], "big")


def with_streams(data: bytes, count: int) -> bytes:
    """Repeat the track, in an index that has come behind the pixels."""
    start, end = inside(data, b"moov")
    first, last = inside(data, b"trak")
    track = data[first:last]
    body = data[start + 8 : first] + track * count + data[last:end]
    return data[:start] + box(b"moov", body) + data[end:]


def with_timescale(data: bytes, scale: int) -> bytes:
    """Say that a second has so many ticks."""
    at, _ = inside(data, b"mdhd")
    return data[: at + 20] + struct.pack(">I", scale) + data[at + 24 :]


def with_size(data: bytes, kind: bytes, size: int) -> bytes:
    at, _ = inside(data, kind)
    return data[:at] + struct.pack(">I", size) + data[at + 4 :]


def deep(count: int) -> bytes:
    body = b""
    for _ in range(count):
        body = box(b"moov", body)
    return box(b"ftyp", b"isom\0\0\0\0isom") + body


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "a box of size 0": lambda data: with_size(data, b"moov", 0),
    "a box of size 1": lambda data: with_size(data, b"moov", 1),
    "a box of size 7": lambda data: with_size(data, b"trak", 7),
    "a box of 4 GiB": lambda data: with_size(data, b"stsz", 0xFFFFFFFF),
    "an index of 4 GiB": lambda data: with_size(data, b"moov", 0xFFFFFFFF),
    "boxes 5,000 deep": lambda _: deep(5_000),
    "20,000 empty boxes": lambda _: box(b"ftyp", b"isom\0\0\0\0isom") + box(b"free") * 20_001,
    "a count of 2^32 samples": lambda data: (
        data[: inside(data, b"stsz")[0] + 16] + b"\xff" * 4 + data[inside(data, b"stsz")[0] + 20 :]
    ),
    "nothing but a name": lambda _: box(b"ftyp", b"isom\0\0\0\0isom"),
    "500 streams": lambda data: with_streams(data, 500),
    "2,000 streams": lambda data: with_streams(data, 2_000),
    "a billion frames a second": lambda data: with_timescale(data, 0x7FFFFFFF),
    "a timescale of 0": lambda data: with_timescale(data, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_videos_end_in_one_line_or_in_frames(
    name: str, clip: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(HOSTILE[name](clip))
    said, frames = "", 0
    try:
        with open_video(path) as video:
            frames = sum(1 for _ in video)
    except MediaError as error:
        said = str(error)
    assert frames <= 3
    assert "\n" not in said
    assert verify_file(path).exit_status in {2, 4, 5}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("500 streams", "has 500 streams: at most 64"),
        ("2,000 streams", "has more streams than any file has"),
        ("a billion frames a second", "frames a second: at most 1000"),
    ],
)
def test_what_is_absurd_is_refused(name: str, words: str, clip: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(HOSTILE[name](clip))
    with pytest.raises(MediaError, match=words):
        open_video(path)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("max_frames = 2", "more than 2 frames"),
        ("max_seconds = 0.05", "at most 0.05 s"),
        ("max_rate = 10", "at most 10"),
        ("max_pixels = 1000", "too large"),
    ],
)
def test_a_device_can_set_less(limits: str, words: str, clip: bytes, tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text(f"[video]\n{limits}\n")
    path = tmp_path / "in.mp4"
    path.write_bytes(clip)
    with pytest.raises(MediaError, match=words), open_video(path) as video:
        list(video)


@pytest.mark.parametrize(
    "content", [b"#EXTM3U\n#EXTINF:1,\nsecret.ts\n", b"ffconcat version 1.0\nfile secret.ts\n"]
)
def test_a_playlist_opens_no_other_file(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "secret.ts").write_bytes(b"G" * 1880)
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        open_video(path)
    assert verify_file(path).exit_status == 2


def test_memory_of_a_refused_bomb_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(48, 40, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(400 << 20), 9))))
    script = (
        "import sys; from resource import RUSAGE_SELF, getrusage; from pathlib import Path; "
        "from edge.media.image import read_picture; before = getrusage(RUSAGE_SELF).ru_maxrss; "
        "read_picture(Path(sys.argv[1])); print(getrusage(RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100_000  # kilobytes; the profile alone would be 400 MB
