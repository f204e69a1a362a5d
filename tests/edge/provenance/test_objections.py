from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.provenance import manifest, verify
from edge.provenance.active import Found
from edge.provenance.keys import device_keys
from edge.provenance.objections import FRAMING, PADDING
from edge.provenance.verify import verify_file
from edge.provenance.watermark.files import Look
from edge.records import SwapRecord
from tests.edge.provenance.conftest import sign_as_other

pytest.importorskip("c2pa")

Maker = Callable[[str], Path]
LETTER = b"a letter of somebody else"


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "look_into", lambda path, media_type: Look(None))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _video(movflags: str = "+use_metadata_tags") -> bytes:
    """Return a video as other software writes it."""
    written = io.BytesIO()
    with av.open(written, "w", format="mp4", options={"movflags": movflags}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 2
        for shade in range(6):
            frame = np.full((64, 64, 3), shade * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    return written.getvalue()


def _others(path: Path, content: bytes) -> Path:
    """Write a video of other software, signed by this device's key so that it is trusted."""
    path.write_bytes(sign_as_other(device_keys(), content, "video/mp4")[0])
    return path


@pytest.mark.parametrize(
    "appended",
    [
        _box(b"free", LETTER),
        _box(b"skip", LETTER * 1000),
        _box(b"ftyp", b"isom\0\0\0\0" + LETTER),
        _box(b"ftyp", b"isom\0\0\2\0isom"),
        _box(b"mfra", _box(b"free", LETTER)),
    ],
)
def test_what_is_appended_to_ours(appended: bytes, signed: Maker) -> None:
    """C2PA leaves these boxes out of its hash: the library calls every one of them intact."""
    path = signed("mp4")
    path.write_bytes(path.read_bytes() + appended)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.integrity) == (4, "tampered")
    assert FRAMING in verdict.failures


def test_an_empty_box_is_no_harm(signed: Maker) -> None:
    path = signed("mp4")
    path.write_bytes(path.read_bytes() + _box(b"free", bytes(1000)))
    assert verify_file(path).exit_status == 0


@pytest.mark.parametrize("movflags", ["+use_metadata_tags", "+frag_keyframe", "+dash"])
def test_videos_of_others_stay_intact(movflags: str, tmp_path: Path) -> None:
    content = _video(movflags)
    assert (b"mfra" in content) == (b"moof" in content)
    verdict = verify_file(_others(tmp_path / "a.mp4", content))
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert verdict.notes == ("the signer is trusted on this device only",)


def test_the_name_of_an_encoder_in_anothers_file(tmp_path: Path) -> None:
    path = _others(tmp_path / "a.mp4", _video())
    content = path.read_bytes()
    path.write_bytes(content + _box(b"free", b"IsoMedia File Produced with Google, 5-11-2011"))
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert any("'IsoMedia File" in note for note in verdict.notes)
    path.write_bytes(content + _box(b"free", LETTER * 1000))
    assert verify_file(path).exit_status == 4


def test_where_the_manifest_lies_beside_it(tmp_path: Path) -> None:
    """The hash is the same, and leaves out the same boxes."""
    path = tmp_path / "a.mp4"
    bare, stored = sign_as_other(device_keys(), _video(), "video/mp4", url="http://127.0.0.1:9/x")
    path.write_bytes(bare)
    path.with_suffix(".c2pa").write_bytes(stored)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.manifest_source) == (0, "sidecar")
    path.write_bytes(bare + _box(b"free", LETTER * 1000))
    assert verify_file(path).exit_status == 4


def test_ours_is_never_compressed(
    plain: Maker, target: Path, record: SwapRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed anew, it would have room that nobody can look into."""
    import c2pa

    real = c2pa.Settings.from_dict

    def compressing(settings: dict[str, dict[str, object]]) -> object:
        core = {**settings["core"], "prefer_compress_manifests": True}
        return real({**settings, "core": core})

    path = tmp_path / "compressed.png"
    with monkeypatch.context() as patched:
        patched.setattr(c2pa.Settings, "from_dict", compressing)
        manifest.sign(plain("png"), path, "image/png", record, target)
    assert b"c2cm" in path.read_bytes()
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (4, (FRAMING,))
    assert any("written anew" in note for note in verdict.notes)


def test_anothers_may_be_compressed(tmp_path: Path) -> None:
    picture = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    own, path = device_keys(), tmp_path / "a.png"
    content, _ = sign_as_other(own, picture, "image/png", prefer_compress_manifests=True)
    path.write_bytes(content)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert any("was not seen" in note for note in verdict.notes)


def test_a_signature_that_cannot_be_read(signed: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "find_active", lambda *_: Found())
    verdict = verify_file(signed("jpg"))
    assert (verdict.exit_status, verdict.integrity) == (4, "tampered")
    assert PADDING in verdict.failures
    assert verdict.signer is not None
    assert not verdict.signer.trusted
