from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.provenance import active
from edge.provenance.active import Found, find_active, reported_serial
from edge.provenance.anchors import anchors
from edge.provenance.container import Kind, sniff
from edge.provenance.cose import find_signature
from edge.provenance.keys import device_keys
from edge.provenance.reading import Reading, read_manifest
from edge.provenance.store import read_store
from tests.edge.provenance.conftest import kinds_of_others, sign_as_other

pytest.importorskip("c2pa")

Maker = Callable[[str], Path]


def _read(path: Path) -> tuple[Kind, Reading]:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    known, _ = anchors()
    return kind, read_manifest(path, kind, known, fetch_remote=False)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "mp4"])
def test_of_our_own(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    kind, reading = _read(path)
    found = find_active(path, kind, reading)
    assert found == Found(find_signature(read_store(path, kind)))
    assert not found.unreadable
    assert reading.store is not None
    assert reported_serial(reading.store) == device_keys().leaf.serial_number


@pytest.mark.parametrize("suffix", ["tiff", "gif", "wav"])
def test_of_kinds_that_are_not_read_here(suffix: str, tmp_path: Path) -> None:
    media_type, content = kinds_of_others(np.zeros((16, 16, 3), np.uint8))[suffix]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(sign_as_other(device_keys(), content, media_type)[0])
    found = find_active(path, *_read(path)).signature
    assert found is not None
    assert found.raw in path.read_bytes().replace(b"\xff\xff", b"\xff") or suffix == "gif"
    assert not any(any(padding) for padding in found.paddings())


def test_what_the_library_does_not_pass_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import c2pa

    def refuse(*_: object) -> None:
        raise c2pa.C2paError("not supported")

    media_type, content = kinds_of_others(np.zeros((16, 16, 3), np.uint8))["wav"]
    path = tmp_path / "a.wav"
    path.write_bytes(sign_as_other(device_keys(), content, media_type)[0])
    kind, reading = _read(path)
    monkeypatch.setattr(c2pa.Builder, "add_ingredient_from_stream", refuse)
    found = find_active(path, kind, reading)
    assert "audio/wav" in (found.out_of_reach or "")
    assert not found.unreadable


def test_of_one_that_was_fetched_or_is_compressed(signed: Maker, tmp_path: Path) -> None:
    path = signed("jpg")
    kind, reading = _read(path)
    fetched = find_active(path, kind, dataclasses.replace(reading, source="fetched"))
    assert (fetched.signature, fetched.out_of_reach) == (None, "its manifest was fetched")
    picture = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    own = device_keys()
    content, _ = sign_as_other(own, picture, "image/png", prefer_compress_manifests=True)
    path = tmp_path / "compressed.png"
    path.write_bytes(content)
    assert find_active(path, *_read(path)).out_of_reach == "its manifest is compressed"


def test_another_signature_than_the_library_read(
    signed: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = signed("jpg")
    kind, reading = _read(path)
    assert reading.store is not None
    for store in ({**reading.store, "active_manifest": "urn:c2pa:other"}, reading.store):
        if store is reading.store:
            monkeypatch.setattr(active, "reported_serial", lambda _: 7)
        assert find_active(path, kind, dataclasses.replace(reading, store=store)).unreadable


def test_where_no_store_is_found_in_the_file(signed: Maker, plain: Maker) -> None:
    """The library says that there is one: where it is not found here, that is no good sign."""
    kind, reading = _read(signed("png"))
    assert find_active(plain("png"), kind, reading).unreadable


@pytest.mark.parametrize("text", [None, "", "x", "-5", "1" * 5000, 7, "\u0663"])
def test_a_number_that_is_none(text: object) -> None:
    signature = {"cert_serial_number": text}
    store = {"active_manifest": "a", "manifests": {"a": {"signature_info": signature}}}
    assert reported_serial(store) is None
