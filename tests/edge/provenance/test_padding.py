from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import implicit, manifest
from edge.provenance.container import Kind, sniff
from edge.provenance.padding import foreign_content, something_in_padding
from edge.provenance.verify import PADDING, verify_file
from edge.records import SwapRecord

Maker = Callable[[str], Path]
SUFFIXES = ["jpg", "png", "webp", "mp4"]


def _kind(path: Path) -> Kind:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    return kind


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("at", [7, 5000, 10000])
def test_what_is_written_there_is_noticed(suffix: str, at: int, signed: Maker) -> None:
    path = signed(suffix)
    assert not something_in_padding(path, _kind(path))
    content = bytearray(path.read_bytes())
    start = content.rfind(b"\x63pad\x59")  # a byte string with a length of two bytes
    length = int.from_bytes(content[start + 5 : start + 7], "big")
    assert length > 10_000  # or there is nothing to test
    content[start + at] ^= 0x10
    path.write_bytes(content)
    assert something_in_padding(path, _kind(path))
    verdict = verify_file(path)
    assert verdict.exit_status == 4
    assert verdict.integrity == "tampered"
    assert PADDING in verdict.failures
    assert any("beside the signature" in note for note in verdict.notes)


def test_a_store_over_several_segments_is_joined(
    signed: Maker, record: SwapRecord, tmp_path: Path
) -> None:
    """Each generation of a JPEG adds to the store; a segment holds 64 kB."""
    path = signed("jpg")
    for number in range(5):
        again = tmp_path / f"generation-{number}.jpg"
        frame = np.full((120, 160, 3), 90, np.uint8)
        plain = tmp_path / "next.jpg"
        encoded = cv2.imencode(".jpg", frame)[1].tobytes()
        label = implicit.implicit_json(record)
        plain.write_bytes(implicit.write_implicit(encoded, "image/jpeg", label))
        manifest.sign(plain, again, "image/jpeg", record, path)
        path = again
    content = bytearray(path.read_bytes())
    assert content.count(b"\xff\xeb") >= 2
    assert verify_file(path).exit_status == 0
    start = content.rfind(b"\x63pad\x59")
    content[start + 9000] = 1
    path.write_bytes(content)
    assert verify_file(path).exit_status == 4


def test_files_without_a_manifest_have_no_padding(plain: Maker) -> None:
    for suffix in SUFFIXES:
        path = plain(suffix)
        assert not something_in_padding(path, _kind(path))


@given(st.binary(max_size=60))
def test_any_bytes_end_in_an_answer(noise: bytes) -> None:
    size = (len(noise) + 10).to_bytes(4, "big")
    store = b"c2pa.signature\0" + size + b"cbor\xd2\x84" + noise
    with contextlib.suppress(ValueError, IndexError):
        assert foreign_content(store) in {True, False}
