"""The shipped faces are there, are who they are said to be, and no identity is on both sides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge import resources
from edge.faces.align import align
from edge.faces.embed import open_embedder
from quantize.calibration import shipped
from quantize.calibration.shipped import calibration_faces, held_out_swaps
from quantize.errors import SamplesError


def test_every_listed_picture_is_there_and_no_other() -> None:
    faces = [*calibration_faces()]
    for swap in held_out_swaps():
        faces += [swap.target, swap.truth, *swap.sources]
    folder = resources.samples_dir() / "faces"
    assert {face.path for face in faces} == set(folder.glob("*.jpg"))
    assert len(calibration_faces()) == 64
    assert len(held_out_swaps()) == 24


def test_no_identity_is_on_both_sides() -> None:
    listed = json.loads((resources.samples_dir() / "faces" / "faces.json").read_text())
    calibration = {entry["face"] for entry in listed["calibration"]}
    held_out = {entry["target"]["face"] for entry in listed["held_out"]}
    assert len(calibration) == 64
    assert not calibration & held_out
    assert min(calibration | held_out) >= 2_000_000  # below are training and its evaluation
    for entry in listed["held_out"]:
        assert entry["truth"]["head"] == entry["target"]["face"] != entry["truth"]["face"]
        assert {photo["face"] for photo in entry["sources"]} == {entry["truth"]["face"]}


def test_a_truth_is_the_target_but_for_the_face() -> None:
    for swap in held_out_swaps()[:4]:
        target, truth = swap.target.frame().astype(int), swap.truth.frame().astype(int)
        differs = np.abs(target - truth).max(axis=2)
        assert np.median(differs[:32]) <= 2  # the background above
        x, y = swap.target.face.landmarks[2].astype(int)
        assert differs[y - 40 : y + 40, x - 40 : x + 40].mean() > 4


def test_a_truth_shows_the_source() -> None:
    embedder = open_embedder(threads=1)
    nearer = []
    for swap in held_out_swaps()[:6]:
        source = embedder.embed(swap.sources[0].frame(), swap.sources[0].face)
        shown = embedder.embed(swap.truth.frame(), swap.target.face)
        before = embedder.embed(swap.target.frame(), swap.target.face)
        nearer.append(float(source @ shown - source @ before))
    assert min(nearer) > 0.1
    assert np.mean(nearer) > 0.3


def test_landmarks_lie_in_the_picture() -> None:
    for face in calibration_faces():
        crop = align(face.frame(), face.face, "arcface_128", 64).picture
        assert crop.std() > 5


@pytest.mark.parametrize("text", [None, "no JSON", "[]"])
def test_a_broken_installation_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr(shipped, "_folder", lambda: tmp_path)
    if text is not None:
        (tmp_path / "faces.json").write_text(text)
    with pytest.raises(SamplesError, match="install edge-swap again"):
        calibration_faces()


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    face = calibration_faces()[0]
    broken = shipped.ShippedFace(tmp_path / "gone.jpg", face.face)
    with pytest.raises(SamplesError, match=r"gone\.jpg.*install edge-swap again"):
        broken.frame()
