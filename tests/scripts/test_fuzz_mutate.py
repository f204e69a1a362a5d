"""Damaged files: the same for the same seed, really damaged, and taken apart where it says so."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import fuzz_mutate
from scripts.fuzz_corpus import SHARE, kind_of
from scripts.fuzz_mutate import KINDS, mutated, xmp_packet
from tests import tiny


def good(kind: str, folder: Path) -> bytes:
    if kind == "onnx":
        return tiny.swapper(32)
    if kind == "zip":
        return b"PK\3\4" + bytes(30) + b"body" + b"PK\1\2" + bytes(44) + b"PK\5\6" + bytes(18)
    if kind == "mp4":
        inner = (16).to_bytes(4, "big") + b"mvhd" + bytes(8)
        return (
            (16).to_bytes(4, "big")
            + b"ftypisom"
            + bytes(4)
            + (24).to_bytes(4, "big")
            + (b"moov" + inner)
        )
    frame = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return cv2.imencode({"jpeg": ".jpg", "png": ".png"}.get(kind, ".webp"), frame)[1].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_file(kind: str, tmp_path: Path) -> None:
    data = good(kind, tmp_path)
    seen = set()
    for seed in range(60):
        one, other = (mutated(data, kind, random.Random(seed), [data]) for _ in range(2))
        assert one == other
        seen.add(one)
    assert len(seen) > 40
    assert len(seen - {data}) >= len(seen) - 1


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "mp4", "zip"])
def test_pieces_lie_in_the_file_and_cover_its_joints(kind: str, tmp_path: Path) -> None:
    data = good(kind, tmp_path)
    pieces = list(fuzz_mutate._PIECES[kind](data))
    assert len(pieces) >= 2
    for piece in pieces:
        assert 0 <= piece.start <= piece.body <= piece.end <= len(data)
    joined = b"".join(data[piece.start : piece.end] for piece in pieces)
    assert len(joined) >= len(data) - 40


def test_changed_models_are_often_still_models() -> None:
    """Sizes around a change are put right, so that more than the first check is tried."""
    data = tiny.swapper(32)
    whole = 0
    for seed in range(100):
        changed = fuzz_mutate._message(data, random.Random(seed))
        try:
            onnx.ModelProto().ParseFromString(changed)
        except Exception:  # noqa: BLE001 - any refusal will do
            continue
        whole += 1
    assert whole > 80


@given(st.binary(max_size=300), st.integers(0, 1 << 30), st.sampled_from(KINDS))
def test_anything_can_be_damaged(data: bytes, seed: int, kind: str) -> None:
    mutated(data, kind, random.Random(seed), [data or b"x"])
    xmp_packet(data, random.Random(seed))


def test_a_hundred_files_have_every_kind_in_its_share() -> None:
    kinds = [kind_of(number) for number in range(100)]
    assert {kind: kinds.count(kind) for kind in KINDS} == SHARE
