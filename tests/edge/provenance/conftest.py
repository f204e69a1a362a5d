"""Small pictures, a small video and a record of a swap that never happened."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.provenance import implicit, manifest
from edge.provenance.certificates import CLAIM_SIGNING
from edge.provenance.keys import DeviceKeys
from edge.provenance.label import plan_label
from edge.provenance.signer import CallbackSigner, FileKey
from edge.records import ModelUse, Permit, SwapRecord

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "mp4": "video/mp4",
}

Maker = Callable[[str], Path]

_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_UUID_END = bytes.fromhex("00110010800000aa00389b71")

OTHERS_BOXES = {
    "JPEG XT": struct.pack(">I4s", 20, b"ftyp") + b"jxt \0\0\0\0jxt ",
    "JPEG 360": struct.pack(">I4sI4s", 48, b"jumb", 32, b"jumd")
    + (b"json" + _UUID_END + b"\3place\0\0")
    + struct.pack(">I4s", 8, b"json"),
}
"""Boxes that stand in a JPEG's APP11 segments as C2PA's do, and are none of it."""


def superbox(kind: bytes, label: bytes, content: bytes) -> bytes:
    """Return a box of a manifest store, described as C2PA does it."""
    inner = kind + _UUID_END + b"\3" + label + b"\0"
    described = struct.pack(">I4s", 8 + len(inner), b"jumd") + inner + content
    return struct.pack(">I4s", 8 + len(described), b"jumb") + described


def store_of(signature: bytes, label: str = "urn:c2pa:1") -> bytes:
    """Return a manifest store that has a signature and nothing else."""
    boxed = struct.pack(">I4s", 8 + len(signature), b"cbor") + signature
    manifest = superbox(b"c2ma", label.encode(), superbox(b"c2cs", b"c2pa.signature", boxed))
    return superbox(b"c2pa", b"c2pa", manifest)


def kinds_of_others(frame: np.ndarray) -> dict[str, tuple[str, bytes]]:
    """Return files of kinds whose containers are not read here: suffix, media type and content."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(800))
    tiff = cv2.imencode(".tiff", frame)[1].tobytes()
    gif = b"GIF89a" + bytes([1, 0, 1, 0, 0x80, 0, 0]) + bytes(6)
    gif += b"\x2c" + bytes(4) + bytes([1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]) + b"\x3b"
    return {
        "tiff": ("image/tiff", tiff),
        "gif": ("image/gif", gif),
        "wav": ("audio/wav", sound.getvalue()),
    }


def sign_as_other(
    own: DeviceKeys, content: bytes, media_type: str, url: str | None = None, **core: object
) -> tuple[bytes, bytes]:
    """Sign a file as other software does; return it, and its manifest store.

    Args:
        own: Who signs.
        content: The file.
        media_type: Of the file.
        url: Where the manifest is to be fetched; it is put into the file without one.
        **core: Settings of the C2PA library.
    """
    import c2pa

    actions = [{"action": "c2pa.created", "digitalSourceType": _CAPTURE}]
    assertions = [{"label": "c2pa.actions.v2", "created": True, "data": {"actions": actions}}]
    settings = {
        "version": 1,
        "core": core,
        "builder": {"thumbnail": {"enabled": False}},
        "trust": {"trust_config": CLAIM_SIGNING.dotted_string},
        "verify": {"verify_after_sign": False},
    }
    builder = c2pa.Builder(
        {"claim_generator_info": [{"name": "camera"}], "assertions": assertions},
        context=c2pa.Context(c2pa.Settings.from_dict(settings)),
    )
    if url is not None:
        builder.set_no_embed()
        builder.set_remote_url(url)
    out, callback = io.BytesIO(), CallbackSigner(FileKey(own))
    stored: bytes = builder.sign(callback.signer, media_type, io.BytesIO(content), out)
    return out.getvalue(), stored


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
