from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.provenance import certificates, keys, manifest, verify
from edge.provenance.anchors import trusted_dir
from edge.provenance.engine import context
from edge.provenance.reading import Reading, read_manifest
from edge.provenance.signer import CallbackSigner, FileKey
from edge.provenance.verify import verify_file
from edge.provenance.watermark.embed import Watermark
from edge.records import SwapRecord
from tests.edge.provenance.watermark.scenes import ID, textured
from tests.serving import Quiet, serving

c2pa = pytest.importorskip("c2pa")

Maker = Callable[[str], Path]
SUFFIXES = ["jpg", "png", "webp", "mp4"]
MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}

DIGITAL_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def _changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    out = path.with_name(f"changed-{path.name}")
    out.write_bytes(change(path.read_bytes()))
    return out


def _flipped(needle: bytes, distance: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        at = content.index(needle) + distance
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


IN_PICTURE = {  # a byte of the coded picture itself
    "jpg": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
    "png": _flipped(b"IDAT", 100),
    "webp": _flipped(b"VP8L", 100),
    "mp4": _flipped(b"mdat", 100),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_our_own_output(suffix: str, signed: Maker, record: SwapRecord) -> None:
    verdict = verify_file(signed(suffix))
    assert verdict.exit_status == 0
    assert verdict.media_type == MEDIA_TYPES[suffix]
    assert verdict.manifest == "present"
    assert verdict.manifest_source == "embedded"
    assert verdict.integrity == "intact"
    assert verdict.failures == ()
    assert verdict.problem is None
    assert verdict.signer is not None
    assert verdict.signer.trusted
    assert verdict.signer.anchor == "this device"
    claims = verdict.claims
    assert claims is not None
    assert claims.time.signed == "2026-03-01T12:00:00Z"
    assert not claims.time.time_stamped
    assert claims.generator == "edge-swap 0.1.0"
    assert claims.models == (dataclasses.asdict(record.models[0]),)
    assert claims.consent is not None
    assert claims.consent["id"] == record.permit.consent_id
    assert claims.consent["assurance"] == "synthetic"
    assert claims.target_sha256 == record.target_sha256
    (parent,) = claims.ingredients
    assert (parent.relationship, parent.manifest) == ("parentOf", "absent")
    assert verdict.implicit_label is not None
    assert verdict.implicit_label["ProduceID"] == record.output_id
    assert verdict.agreement.produce_id is True
    assert verdict.agreement.made_by_ai is True
    assert claims.implicit_label == verdict.implicit_label
    assert verdict.agreement.differs == ()
    json.dumps(verdict.to_dict())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_bit_of_the_picture(suffix: str, signed: Maker) -> None:
    verdict = verify_file(_changed(signed(suffix), IN_PICTURE[suffix]))
    assert verdict.exit_status == 4
    assert verdict.integrity == "tampered"
    assert any(code.endswith("Hash.mismatch") for code in verdict.failures)
    assert verdict.signer is not None
    assert verdict.signer.trusted  # who signed is another fact than whether it still holds


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"more",
        lambda content: content[:-40],
        lambda content: content[: len(content) // 2],
        lambda content: content[:3000],
        _flipped(b"consentId", 20),  # the text of an assertion
        _flipped(b"jumdc2pa", -5),  # the length of the manifest store
        lambda content: content.replace(b"jumdc2pa", b"jumdc2pX"),
    ],
    ids=["appended", "cut", "half", "start", "assertion", "length", "type"],
)
def test_every_other_change(suffix: str, change: Callable[[bytes], bytes], signed: Maker) -> None:
    verdict = verify_file(_changed(signed(suffix), change))
    assert verdict.exit_status == 4
    assert verdict.integrity in {"tampered", "invalid", None}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_manifest(suffix: str, plain: Maker) -> None:
    verdict = verify_file(plain(suffix))
    assert verdict.exit_status == 5
    assert verdict.manifest == "absent"
    assert verdict.integrity is None
    assert verdict.implicit_label is not None  # and it is said that it is not signed
    assert any("not signed" in note for note in verdict.notes)
    assert any("does not make it genuine" in note for note in verdict.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_broken_and_without_manifest(suffix: str, plain: Maker) -> None:
    verdict = verify_file(_changed(plain(suffix), lambda content: content[: len(content) // 2]))
    assert verdict.exit_status == 4
    assert verdict.problem


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_reencoded_is_absent(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    frame = cv2.imread(str(path))
    assert frame is not None
    cv2.imwrite(str(path), frame)
    assert verify_file(path).exit_status == 5


def test_on_another_device_the_signer_is_unknown(
    signed: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = signed("jpg")
    root = certificates.chain_pem([keys.device_keys().root])
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    verdict = verify_file(path)
    assert verdict.exit_status == 3
    assert verdict.integrity == "intact"
    assert verdict.signer is not None
    assert not verdict.signer.trusted
    assert verdict.signer.anchor is None
    assert any("anybody can sign" in note for note in verdict.notes)
    # a device with keys of its own still does not know it, until its user trusts the root
    keys.device_keys()
    assert verify_file(path).exit_status == 3
    trusted_dir().mkdir(parents=True)
    (trusted_dir() / "studio.pem").write_text(root)
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert verdict.signer.anchor == "studio.pem"


def test_retired_keys_stay_trusted_here(signed: Maker) -> None:
    path = signed("png")
    keys.rotate()
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert verdict.signer.anchor == "this device"


def test_signed_with_an_imported_key(signed: Maker, tmp_path: Path) -> None:
    key, chain = certificates.make_chain()
    (tmp_path / "k.pem").write_text(certificates.key_pem(key))
    (tmp_path / "c.pem").write_text(certificates.chain_pem(chain))
    keys.import_keys(tmp_path / "k.pem", tmp_path / "c.pem")
    verdict = verify_file(signed("jpg"))
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert (verdict.signer.anchor or "").startswith("imported chain: ")


def test_verifying_makes_no_keys(target: Path, edge_home: Path) -> None:
    verify_file(target)
    assert not edge_home.exists()


def test_a_tampered_parent_is_reported(
    tmp_path: Path, plain: Maker, signed: Maker, record: SwapRecord
) -> None:
    parent = _changed(signed("jpg"), IN_PICTURE["jpg"])
    out = tmp_path / "second.jpg"
    manifest.sign(plain("jpg"), out, "image/jpeg", record, parent)
    verdict = verify_file(out)
    assert verdict.exit_status == 0  # the file itself is what its signer made
    assert verdict.claims is not None
    (found,) = verdict.claims.ingredients
    assert found.integrity == "tampered"
    assert found.failures == ("assertion.dataHash.mismatch",)
    assert found.ingredients[0].manifest == "absent"
    assert any("TAMPERED" in note for note in verdict.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("ContentProducer", b'Producer":"edge', b'Producer":"fake'),
        ("PropagateID", b'PropagateID":"urn', b'PropagateID":"url'),
        ("ProduceID", b'ProduceID":"urn', b'ProduceID":"url'),
        ("Label", b'Label":"1"', b'Label":"3"'),
    ],
)
def test_it_says_which_field_of_the_label_differs(
    field: str, old: bytes, new: bytes, suffix: str, signed: Maker
) -> None:
    def change(content: bytes) -> bytes:
        changed = content.replace(old, new)
        assert changed != content
        return changed

    verdict = verify_file(_changed(signed(suffix), change))
    assert verdict.exit_status == 4
    assert verdict.agreement.differs == (field,)
    assert verdict.agreement.produce_id is (field != "ProduceID")
    assert any(f"label's {field} is '" in note for note in verdict.notes)


def test_a_label_that_was_taken_out_is_missed(signed: Maker) -> None:
    def change(content: bytes) -> bytes:
        return content.replace(b"TC260:AIGC", b"TC260:NONE")

    verdict = verify_file(_changed(signed("jpg"), change))
    assert verdict.exit_status == 4
    assert verdict.implicit_label is None
    assert verdict.agreement.produce_id is False
    assert any("not in the file" in note for note in verdict.notes)


def test_flaws_of_a_label_are_said(plain: Maker) -> None:
    verdict = verify_file(
        _changed(plain("png"), lambda content: content.replace(b'Label":"1"', b'Label":"7"'))
    )
    assert any("Label is '7'" in note for note in verdict.notes)


def _actions(source_type: str) -> list[dict[str, object]]:
    actions = [{"action": "c2pa.created", "digitalSourceType": source_type}]
    return [{"label": "c2pa.actions.v2", "created": True, "data": {"actions": actions}}]


def _sign_as_stranger(
    source: Path, destination: Path, assertions: list[dict[str, object]], **how: str
) -> bytes:
    key, chain = certificates.make_chain()
    callback = CallbackSigner(FileKey(keys.DeviceKeys(key, tuple(chain), source)))
    definition = {"claim_generator_info": [{"name": "camera"}], "assertions": assertions}
    builder = c2pa.Builder(definition, context=context([]))
    if how:
        builder.set_no_embed()
    if "url" in how:
        builder.set_remote_url(how["url"])
    out = io.BytesIO()
    with source.open("rb") as stream:
        stored: bytes = builder.sign(callback.signer, "image/jpeg", stream, out)
    destination.write_bytes(out.getvalue())
    return stored


def test_a_stranger_calls_it_a_photograph(plain: Maker, tmp_path: Path) -> None:
    out = tmp_path / "camera.jpg"
    _sign_as_stranger(plain("jpg"), out, _actions(DIGITAL_CAPTURE))
    verdict = verify_file(out)
    assert verdict.exit_status == 3
    assert verdict.agreement.made_by_ai is False
    assert any("disagree" in note for note in verdict.notes)


def test_a_manifest_that_breaks_the_rules_is_invalid(plain: Maker, tmp_path: Path) -> None:
    out = tmp_path / "malformed.jpg"
    actions = [{"action": "c2pa.edited"}]  # nothing was opened or created before
    _sign_as_stranger(
        plain("jpg"), out, [{"label": "c2pa.actions.v2", "data": {"actions": actions}}]
    )
    verdict = verify_file(out)
    assert verdict.exit_status == 4
    assert verdict.integrity == "invalid"


def test_manifest_of_another_file(signed: Maker, tmp_path: Path) -> None:
    content = signed("jpg").read_bytes()
    start = content.index(b"\xff\xeb")
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    other = cv2.imencode(".jpg", np.zeros((120, 160, 3), np.uint8))[1].tobytes()
    path = tmp_path / "forged.jpg"
    path.write_bytes(other[:2] + content[start:end] + other[2:])
    assert verify_file(path).exit_status == 4


@pytest.mark.parametrize("name", ["picture.c2pa", "picture.jpg.c2pa"])
def test_sidecar(name: str, plain: Maker, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    stored = _sign_as_stranger(plain("jpg"), path, _actions(DIGITAL_CAPTURE), embed="no")
    assert verify_file(path).exit_status == 5
    (tmp_path / name).write_bytes(stored)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.manifest_source) == (3, "sidecar")
    path.write_bytes(path.read_bytes() + b"x")
    assert verify_file(path).exit_status == 4
    (tmp_path / name).write_bytes(b"nonsense")
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.manifest) == (4, "unreadable")


class _Handler(Quiet):
    calls: list[str]
    content: bytes

    def do_GET(self) -> None:
        type(self).calls.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/c2pa")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    handler = type("Handler", (_Handler,), {"calls": [], "content": b""})
    with serving(handler) as address:
        yield f"{address}m.c2pa", handler


def test_a_url_is_reported_and_not_called(
    server: tuple[str, type[_Handler]], plain: Maker, tmp_path: Path, record: SwapRecord
) -> None:
    url, handler = server
    path = tmp_path / "remote.jpg"
    handler.content = _sign_as_stranger(plain("jpg"), path, _actions(DIGITAL_CAPTURE), url=url)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.manifest) == (5, "remote")
    assert verdict.manifest_url == url
    # nor does a swap of such a target call it
    manifest.sign(plain("jpg"), tmp_path / "out.jpg", "image/jpeg", record, path)
    assert handler.calls == []
    verdict = verify_file(path, fetch_remote=True)
    assert handler.calls == ["/m.c2pa"]
    assert (verdict.exit_status, verdict.manifest_source) == (3, "fetched")
    assert verdict.manifest_url == url
    handler.content = b"junk"
    verdict = verify_file(path, fetch_remote=True)
    assert (verdict.exit_status, verdict.manifest) == (4, "unreadable")


def test_a_url_that_does_not_answer(plain: Maker, tmp_path: Path) -> None:
    path = tmp_path / "remote.jpg"
    url = "http://127.0.0.1:9/m.c2pa"
    _sign_as_stranger(plain("jpg"), path, _actions(DIGITAL_CAPTURE), url=url)
    verdict = verify_file(path, fetch_remote=True)
    assert (verdict.exit_status, verdict.manifest) == (5, "remote")
    assert verdict.manifest_url == url
    assert any("failed" in note for note in verdict.notes)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"hello", "no picture"), (None, "no such file"), ("folder", "folder")],
    ids=["empty", "text", "missing", "folder"],
)
def test_what_cannot_be_verified(content: bytes | str | None, word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    verdict = verify_file(path)
    assert verdict.exit_status == 2
    assert verdict.media_type is None
    assert word in (verdict.problem or "")


def test_unsupported_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(cv2.imencode(".bmp", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.media_type) == (2, "image/bmp")
    assert verdict.problem is None  # it is whole
    assert any("cannot carry a C2PA manifest" in note for note in verdict.notes)


@pytest.mark.parametrize("suffix", ["bmp", "mkv"])
def test_the_watermark_of_kinds_without_a_manifest(suffix: str, tmp_path: Path) -> None:
    frame = textured(640, 480)
    Watermark(ID, 640, 480).draw(frame)
    path = tmp_path / f"converted.{suffix}"
    if suffix == "bmp":
        assert cv2.imwrite(str(path), frame)
    else:
        _lossless_video(path, frame)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.problem) == (2, None)
    assert verdict.watermark is not None
    assert verdict.watermark.id == ID


def _lossless_video(path: Path, frame: np.ndarray) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())


def test_what_an_ingredient_fails_in_is_not_its_makers(
    signed: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate of whoever signed the target was revoked since: not that of the output."""
    path = signed("jpg")
    delta = {"validationDeltas": {"failure": [{"code": "signingCredential.ocsp.revoked"}]}}
    real = read_manifest

    def read(*asked: Any, **more: Any) -> Reading:
        reading = real(*asked, **more)
        assert reading.store is not None
        results = {**reading.store["validation_results"], "ingredientDeltas": [delta]}
        return dataclasses.replace(reading, store={**reading.store, "validation_results": results})

    monkeypatch.setattr(verify, "read_manifest", read)
    verdict = verify_file(path)
    assert verdict.signer is not None
    assert (verdict.signer.trusted, verdict.signer.status) == (True, "trusted")
    assert verdict.exit_status == 0
    assert "signingCredential.ocsp.revoked" in verdict.failures  # it is still told


def test_a_wrong_suffix_does_not_matter(signed: Maker, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    shutil.copy(signed("webp"), path)
    assert verify_file(path).exit_status == 0


def test_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    assert verify_file(path).exit_status == 5


def test_a_malformed_anchor_does_not_stop_it(signed: Maker) -> None:
    path = signed("jpg")
    trusted_dir().mkdir(parents=True)
    (trusted_dir() / "bad.pem").write_text("nonsense")
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert any("bad.pem" in note for note in verdict.notes)
