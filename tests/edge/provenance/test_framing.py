"""Changes in the frame around a manifest, which no hash of C2PA covers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.provenance import boxes, cbor, implicit, manifest, verify, xmp
from edge.provenance.container import Kind, sniff
from edge.provenance.framing import foreign_frame
from edge.provenance.objections import FRAMING
from edge.provenance.store import read_store
from edge.provenance.verify import verify_file
from edge.provenance.watermark.files import Look
from edge.records import SwapRecord
from tests import tampering
from tests.edge.provenance.conftest import OTHERS_BOXES, with_segment

pytest.importorskip("c2pa")

Maker = Callable[[str], Path]
SUFFIXES = list(tampering.MEDIA_TYPES)


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "look_into", lambda path, media_type: Look(None))


def _oddity(path: Path) -> str | None:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    return foreign_frame(path, kind)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ours_are_as_they_should_be(suffix: str, signed: Maker, plain: Maker) -> None:
    assert _oddity(signed(suffix)) is None
    assert _oddity(plain(suffix)) is None


def _segments(content: bytes) -> list[int]:
    """Return where the APP11 segments of a JPEG begin."""
    found, at = [], 2
    for marker, body in xmp.jpeg_segments(content):
        if marker == 0xEB:
            found.append(at)
        at += 4 + len(body)
    return found


def test_a_store_over_several_segments_and_generations(
    signed: Maker, record: SwapRecord, tmp_path: Path
) -> None:
    path = signed("jpg")
    label = implicit.implicit_json(record)
    encoded = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    plain = tmp_path / "next.jpg"
    plain.write_bytes(implicit.write_implicit(encoded, "image/jpeg", label))
    for number in range(5):
        again = tmp_path / f"generation-{number}.jpg"
        manifest.sign(plain, again, "image/jpeg", record, path)
        path = again
    content = path.read_bytes()
    assert len(_segments(content)) >= 2
    assert _oddity(path) is None
    second = _segments(content)[1]
    for distance in (4, 6, 11, 15):  # JP, instance, number, size of the box
        path.write_bytes(tampering.flip(second + distance)(content))
        assert verify_file(path).exit_status == 4


def test_something_between_its_segments(signed: Maker, record: SwapRecord, tmp_path: Path) -> None:
    """C2PA has them follow each other: nothing can be hidden between them."""
    path = signed("jpg")
    store = read_store(path, Kind("image/jpeg"))
    half = len(store) // 2
    rest = path.read_bytes()
    begin, first, second = _segments(rest)[0], store[:half], store[:8] + store[half:]
    head = rest[begin + 6 : begin + 8]
    split = b"".join(
        b"\xff\xeb" + struct.pack(">H", len(part) + 10) + b"JP" + head + struct.pack(">I", n) + part
        for n, part in ((1, first), (2, second))
    )
    end = begin + 2 + int.from_bytes(rest[begin + 2 : begin + 4], "big")
    path.write_bytes(rest[:begin] + split + rest[end:])
    assert read_store(path, Kind("image/jpeg")) == store
    assert _oddity(path) is None
    between = begin + 2 + 10 + len(first)
    path.write_bytes(
        rest[:begin] + with_segment(split, OTHERS_BOXES["JPEG XT"], at=between - begin) + rest[end:]
    )
    assert "between" in (_oddity(path) or "")


@pytest.mark.parametrize("box", OTHERS_BOXES)
def test_boxes_of_others_are_left_alone(
    box: str, plain: Maker, target: Path, record: SwapRecord, tmp_path: Path
) -> None:
    source, path = plain("jpg"), tmp_path / "with-a-box.jpg"
    source.write_bytes(with_segment(source.read_bytes(), OTHERS_BOXES[box]))
    verdict = verify_file(source)
    assert (verdict.exit_status, verdict.manifest) == (5, "absent")
    manifest.sign(source, path, "image/jpeg", record, target)
    assert len(_segments(path.read_bytes())) == 2
    assert _oddity(path) is None
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (0, ())


@pytest.mark.parametrize("instance", [0x0211, 7])  # the number of ours, and another one
def test_a_second_manifest_store(instance: int, signed: Maker) -> None:
    path = signed("jpg")
    content, store = path.read_bytes(), read_store(path, Kind("image/jpeg"))
    (begin,) = _segments(content)
    end = begin + 2 + int.from_bytes(content[begin + 2 : begin + 4], "big")
    for at in (begin, end):
        path.write_bytes(with_segment(content, store, instance=instance, at=at))
        assert _oddity(path) is not None
        assert verify_file(path).exit_status == 4


# Of every description: its size, type, UUID, toggles, label. Counted from the superbox's type.
_PLACES = range(-4, 34)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "mp4"])
@pytest.mark.parametrize("kind", [b"c2pa", b"c2ma", b"c2as", b"c2cl", b"c2cs"])
def test_every_description(kind: bytes, suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    content = path.read_bytes()
    begin = content.index(kind + b"\0\x11") - 12  # the type of the superbox
    assert content[begin : begin + 4] == b"jumb"
    for place in _PLACES:
        for bit in (0, 5):
            at = begin + place
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            verdict = verify_file(path)
            assert verdict.exit_status == 4, (place, bit)
            if verdict.manifest == "present":
                assert verdict.failures


@pytest.mark.parametrize(
    ("needle", "distance", "words"),
    [
        (b"uuid\xd8\xfe\xc3\xd6", 20, "flags"),
        (b"uuid\xd8\xfe\xc3\xd6", 24, "purpose"),
        (b"uuid\xd8\xfe\xc3\xd6", 40, "points elsewhere"),
    ],
)
def test_the_uuid_box(needle: bytes, distance: int, words: str, signed: Maker) -> None:
    path = signed("mp4")
    path.write_bytes(tampering.flip_after(needle, distance)(path.read_bytes()))
    assert words in (_oddity(path) or "")
    verdict = verify_file(path)
    assert verdict.exit_status == 4
    if verdict.manifest == "present":
        assert verdict.integrity == "invalid"
        assert FRAMING in verdict.failures
        assert any(words in note for note in verdict.notes)


def test_what_is_cut_off_is_an_answer(signed: Maker) -> None:
    path = signed("webp")
    content = path.read_bytes()
    store = tampering.store_span(content, "webp")
    for size in (4, 12, 40, 200):
        cut = content[: store.start] + b"C2PA" + struct.pack("<I", size)
        cut += content[store.start + 8 : store.start + 8 + size]
        path.write_bytes(cut[:4] + struct.pack("<I", len(cut) - 8) + cut[8:])
        assert _oddity(path) is not None


@pytest.mark.parametrize("letter", [b"", b"a letter"])
def test_hashes_that_the_manifest_does_not_use(letter: bytes, signed: Maker) -> None:
    """The library passes over boxes of hashes where the manifest has no tree of them."""
    names = (("uniqueId", b"\1"), ("localId", b"\1"), ("location", b"\0"))
    held = b"".join(cbor.text(name) + value for name, value in names)
    held = b"\xa4" + held + cbor.text("hashes") + b"\x81" + cbor.octets(b"a letter" * 100)
    body = boxes.C2PA_UUID + bytes(4) + b"merkle\0" + held + letter
    path = signed("mp4")
    content = path.read_bytes()
    path.write_bytes(content + struct.pack(">I4s", 8 + len(body), b"uuid") + body)
    assert "does not use" in (_oddity(path) or "")
    assert verify_file(path).exit_status == 4
