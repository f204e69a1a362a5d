"""Small pictures, a small video and a record of a swap that never happened."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.provenance import implicit, manifest
from edge.provenance.label import plan_label
from edge.records import ModelUse, Permit, SwapRecord

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "mp4": "video/mp4",
}

Maker = Callable[[str], Path]

_UUID_END = bytes.fromhex("00110010800000aa00389b71")

OTHERS_BOXES = {
    "JPEG XT": struct.pack(">I4s", 20, b"ftyp") + b"jxt \0\0\0\0jxt ",
    "JPEG 360": struct.pack(">I4sI4s", 48, b"jumb", 32, b"jumd")
    + (b"json" + _UUID_END + b"\3place\0\0")
    + struct.pack(">I4s", 8, b"json"),
}
"""Boxes that stand in a JPEG's APP11 segments as C2PA's do, and are none of it."""


def with_segment(content: bytes, box: bytes, *, instance: int = 1, at: int = 2) -> bytes:
    """Return a JPEG with one more APP11 segment, which holds a box."""
    body = b"JP" + struct.pack(">HI", instance, 1) + box
    return content[:at] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + content[at:]


def _frame(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    small = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _video(path: Path, label: str) -> None:
    av = pytest.importorskip("av")
    options = {"movflags": "use_metadata_tags"}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(implicit.mp4_metadata(label))
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(_frame(160, 120), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def record() -> SwapRecord:
    """A record of a swap."""
    moment = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
    permit = Permit(
        consent_id="urn:uuid:00000000-0000-4000-8000-000000000001",
        assurance="synthetic",
        purpose="film",
        medium="picture",
        identity_commitment="ab" * 32,
        target_statement="synthetic",
        not_after=moment + datetime.timedelta(days=90),
    )
    model = ModelUse(
        name="ref_swapper",
        kind="swapper",
        sha256="cd" * 32,
        precision="fp32",
        backend="ort",
        provider="CPUExecutionProvider",
        engine_version="1.22.0",
        licence="Apache-2.0",
        commercial="yes",
    )
    return SwapRecord(
        output_id="urn:uuid:00000000-0000-4000-8000-000000000002",
        created=moment,
        permit=permit,
        models=(model,),
        label=plan_label(160, 120, [], "zh"),
        target_sha256=hashlib.sha256(b"target").hexdigest(),
        faces=1,
        frames=1,
        generator="edge-swap 0.1.0",
    )


@pytest.fixture
def plain(tmp_path: Path, record: SwapRecord) -> Maker:
    """Maker of a labelled and unsigned file by suffix."""

    def make(suffix: str) -> Path:
        path = tmp_path / f"plain.{suffix}"
        label = implicit.implicit_json(record)
        if suffix == "mp4":
            _video(path, label)
            return path
        encoded = cv2.imencode(f".{suffix}", _frame(160, 120))[1].tobytes()
        path.write_bytes(implicit.write_implicit(encoded, MEDIA_TYPES[suffix], label))
        return path

    return make


@pytest.fixture
def other(tmp_path: Path, plain: Maker, target: Path, record: SwapRecord) -> Maker:
    """Maker of another signed file by suffix: another id and, but for mp4, another picture."""
    record = dataclasses.replace(record, output_id=record.output_id[:-1] + "3")
    label = implicit.implicit_json(record)

    def make(suffix: str) -> Path:
        source, path = tmp_path / f"other-plain.{suffix}", tmp_path / f"other.{suffix}"
        if suffix == "mp4":
            _video(source, label)
        else:
            frame = np.full((120, 160, 3), 60, np.uint8)
            encoded = cv2.imencode(f".{suffix}", frame)[1].tobytes()
            source.write_bytes(implicit.write_implicit(encoded, MEDIA_TYPES[suffix], label))
        manifest.sign(source, path, MEDIA_TYPES[suffix], record, target)
        return path

    return make


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A target picture without any manifest."""
    path = tmp_path / "holiday of alice.jpg"
    path.write_bytes(cv2.imencode(".jpg", _frame(160, 120))[1].tobytes())
    return path


@pytest.fixture
def signed(tmp_path: Path, plain: Maker, target: Path, record: SwapRecord) -> Maker:
    """Maker of a signed file by suffix."""

    def make(suffix: str) -> Path:
        path = tmp_path / f"signed.{suffix}"
        manifest.sign(plain(suffix), path, MEDIA_TYPES[suffix], record, target)
        return path

    return make
