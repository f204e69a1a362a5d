from __future__ import annotations

import dataclasses
import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import OutputError, ProvenanceError
from edge.provenance import implicit, keys, manifest
from edge.provenance.engine import INGREDIENT, context
from edge.provenance.signer import FileKey, root_pem
from edge.provenance.watermark.identifier import watermark_id
from edge.records import SwapRecord

c2pa = pytest.importorskip("c2pa")

Maker = Callable[[str], Path]

MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}


def _store(path: Path, media_type: str) -> dict[str, Any]:
    trusted = context([root_pem(FileKey(keys.device_keys()))])
    with path.open("rb") as stream, c2pa.Reader(media_type, stream, context=trusted) as reader:
        content: dict[str, Any] = json.loads(reader.json())
    return content


def _active(store: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = store["manifests"][store["active_manifest"]]
    return found


@pytest.mark.parametrize("suffix", MEDIA_TYPES)
def test_signed_files_are_trusted_and_say_everything(
    suffix: str, signed: Maker, record: SwapRecord
) -> None:
    path = signed(suffix)
    store = _store(path, MEDIA_TYPES[suffix])
    assert store["validation_state"] == "Trusted"
    active = _active(store)
    assertions = {a["label"]: a for a in active["assertions"]}
    assert all(a["created"] is True for a in assertions.values())
    actions = assertions["c2pa.actions.v2"]["data"]
    assert actions["allActionsIncluded"] is True
    assert [a["action"] for a in actions["actions"]][:2] == ["c2pa.opened", "c2pa.edited"]
    edited = actions["actions"][1]
    assert edited["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert edited["softwareAgent"] == {"name": "edge-swap", "version": "0.1.0"}
    assert edited["when"] == "2026-03-01T12:00:00Z"
    assert assertions[manifest.SWAP]["data"]["outputId"] == record.output_id
    assert assertions[manifest.SWAP]["data"]["models"] == [dataclasses.asdict(record.models[0])]
    assert assertions[manifest.CONSENT]["data"]["consentId"] == record.permit.consent_id
    assert assertions[manifest.TARGET]["data"] == {"sha256": record.target_sha256}
    assert assertions[manifest.LABEL]["data"]["text"] == "AI合成"
    stated = dataclasses.asdict(implicit.implicit_label(record))
    assert assertions[manifest.IMPLICIT]["data"] == stated
    assert active["claim_generator_info"][0]["specVersion"] == "2.4"
    (parent,) = active["ingredients"]
    assert parent["relationship"] == "parentOf"


@pytest.mark.parametrize("suffix", MEDIA_TYPES)
def test_the_signer_attests_every_assertion(
    suffix: str, tmp_path: Path, plain: Maker, target: Path, record: SwapRecord
) -> None:
    """What is gathered only, nobody vouches for: the library's default for an ingredient."""
    kind = MEDIA_TYPES[suffix]
    path = tmp_path / f"signed.{suffix}"
    manifest.sign(plain(suffix), path, kind, record, target)
    with path.open("rb") as stream, c2pa.Reader(kind, stream) as reader:
        detailed = json.loads(reader.detailed_json())
    claim = detailed["manifests"][detailed["active_manifest"]]["claim"]
    assert not claim.get("gathered_assertions")
    created = [item["url"].rsplit("/", 1)[-1] for item in claim["created_assertions"]]
    assert {manifest.TARGET, manifest.LABEL} < set(created)
    assert any(label.startswith(INGREDIENT) for label in created)


def test_no_picture_and_no_file_name_is_in_the_manifest(
    tmp_path: Path, plain: Maker, target: Path, record: SwapRecord
) -> None:
    source = plain("jpg")
    path = tmp_path / "private name.jpg"
    manifest.sign(source, path, "image/jpeg", record, target)
    before, after = source.read_bytes(), path.read_bytes()
    assert after.count(b"\xff\xd8\xff") == before.count(b"\xff\xd8\xff")  # no thumbnail
    assert b"private" not in after
    assert b"alice" not in after


def test_change_of_format_is_an_action(record: SwapRecord) -> None:
    def names(target_type: str | None) -> list[str]:
        made = manifest.manifest_for(record, "image/png", target_type=target_type)
        return [a["action"] for a in made["assertions"][0]["data"]["actions"]]

    always = ["c2pa.opened", "c2pa.edited", "c2pa.watermarked.bound"]
    assert names("image/jpeg") == [*always, "c2pa.converted"]
    assert names("image/png") == names(None) == always


def test_the_soft_binding_names_the_watermark(record: SwapRecord) -> None:
    made = manifest.manifest_for(record, "image/png")
    (binding,) = (a["data"] for a in made["assertions"] if a["label"] == "c2pa.soft-binding")
    assert binding["alg"] == "org.edge-swap.watermark.1"
    assert [block["value"] for block in binding["blocks"]] == [watermark_id(record.output_id)]


def test_title_only_where_it_is_given(record: SwapRecord) -> None:
    assert "title" not in manifest.manifest_for(record, "image/png")
    assert manifest.manifest_for(record, "image/png", "Act 1")["title"] == "Act 1"


def _other_parent(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_target_of_a_kind_that_cannot_be_an_ingredient(
    tmp_path: Path, plain: Maker, record: SwapRecord
) -> None:
    bitmap = cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    for name, content in (("t.bmp", bitmap), ("t.mkv", b"\x1aE\xdf\xa3"), ("t.ppm", b"P6 1 1 ")):
        parent = _other_parent(tmp_path / name, content)
        out = tmp_path / "out.jpg"
        done = manifest.sign(plain("jpg"), out, "image/jpeg", record, parent)
        assert done.parent == "absent"
        assert len(_active(_store(out, "image/jpeg"))["ingredients"]) == 1


def test_a_target_that_was_signed_stays_in_the_chain(
    tmp_path: Path, plain: Maker, signed: Maker, record: SwapRecord
) -> None:
    out = tmp_path / "second.png"
    assert manifest.sign(plain("png"), out, "image/png", record, signed("jpg")).parent == "intact"
    store = _store(out, "image/png")
    assert len(store["manifests"]) == 2
    assert store["validation_state"] == "Trusted"


def test_a_tampered_target_does_not_block_and_is_reported(
    tmp_path: Path, plain: Maker, signed: Maker, record: SwapRecord
) -> None:
    content = bytearray(signed("jpg").read_bytes())
    content[-100] ^= 1
    parent = _other_parent(tmp_path / "tampered.jpg", bytes(content))
    out = tmp_path / "out.jpg"
    assert manifest.sign(plain("jpg"), out, "image/jpeg", record, parent).parent == "tampered"
    assert _store(out, "image/jpeg")["validation_state"] == "Trusted"


def test_a_target_whose_manifest_is_a_ruin_does_not_block(
    tmp_path: Path, plain: Maker, signed: Maker, record: SwapRecord
) -> None:
    content = signed("png").read_bytes()
    parent = _other_parent(tmp_path / "ruin.png", content[: len(content) // 2])
    out = tmp_path / "out.jpg"
    assert manifest.sign(plain("jpg"), out, "image/jpeg", record, parent).parent == "unreadable"


class _BadKey(FileKey):
    def sign(self, data: bytes) -> bytes:
        raise RuntimeError("token pulled out")


class _WrongKey(FileKey):
    def sign(self, data: bytes) -> bytes:
        return super().sign(data + b"!")


@pytest.mark.parametrize("kind", [_BadKey, _WrongKey])
def test_what_does_not_verify_is_deleted(
    kind: type[FileKey], tmp_path: Path, plain: Maker, target: Path, record: SwapRecord
) -> None:
    out = tmp_path / "out.jpg"
    with pytest.raises(ProvenanceError, match=r"pulled out|sign|verify"):
        manifest.sign(plain("jpg"), out, "image/jpeg", record, target, key=kind(keys.device_keys()))
    assert not out.exists()


def test_a_source_that_is_no_picture(tmp_path: Path, target: Path, record: SwapRecord) -> None:
    source = _other_parent(tmp_path / "text.jpg", b"no picture")
    out = tmp_path / "out.jpg"
    with pytest.raises(ProvenanceError, match="could not be signed"):
        manifest.sign(source, out, "image/jpeg", record, target)
    assert not out.exists()


def test_a_file_without_its_implicit_label_is_not_signed(
    tmp_path: Path, plain: Maker, target: Path, record: SwapRecord
) -> None:
    out = tmp_path / "out.jpg"
    other = dataclasses.replace(record, output_id="urn:uuid:other")
    for source, about in ((target, record), (plain("jpg"), other)):
        with pytest.raises(ProvenanceError, match="implicit label"):
            manifest.sign(source, out, "image/jpeg", about, target)
        assert not out.exists()


def test_missing_source_and_folder(
    tmp_path: Path, plain: Maker, target: Path, record: SwapRecord
) -> None:
    with pytest.raises(OutputError, match="none: cannot be read"):
        manifest.sign(tmp_path / "none", tmp_path / "o.jpg", "image/jpeg", record, target)
    with pytest.raises(OutputError, match="the folder is not there"):
        manifest.sign(plain("jpg"), tmp_path / "no" / "o.jpg", "image/jpeg", record, target)


def test_full_disk(tmp_path: Path, plain: Maker, target: Path, record: SwapRecord) -> None:
    source, out = plain("png"), tmp_path / "out.png"
    keys.device_keys()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, limits[1]))
        with pytest.raises(OutputError, match="larger than files may be"):
            manifest.sign(source, out, "image/png", record, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not out.exists()
