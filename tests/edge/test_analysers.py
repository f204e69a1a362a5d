"""The models that look at faces, by stand-ins: added by name, opened, and used in a swap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adding import add_model
from edge.cards import all_cards, find_card
from edge.cli import main
from edge.faces.detect import open_detector
from edge.faces.landmarks import open_landmarker
from edge.faces.masks import open_masker
from edge.records import Face
from edge.swap import Engines, Swapper
from tests import analyser_graphs as graphs
from tests.scene import ARGUMENTS, Stage, stage

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

KINDS = ("detector", "landmarker", "masker")
POINTS = np.array([[100, 110], [150, 110], [125, 140], [105, 165], [145, 165]], np.float32)
FACE = Face((70.0, 60.0, 110.0, 150.0), 0.9, POINTS)


def of_kind(kind: str) -> list[str]:
    return [name for name in graphs.BUILDERS if find_card(name).kind == kind]


def _picture(size: int = 320) -> Any:
    return np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)


def test_every_card_of_an_analyser_has_its_graph() -> None:
    cards = all_cards().values()
    wanted = {card.name for card in cards if card.kind in KINDS and not card.sha256}
    assert wanted == set(graphs.BUILDERS)


@pytest.mark.parametrize("name", graphs.BUILDERS)
def test_a_file_is_added_under_its_card(name: str, edge_home: Path, tmp_path: Path) -> None:
    card = find_card(name)
    given = tmp_path / card.file
    given.write_bytes(graphs.model_bytes(name))
    if card.size:  # as the real file's: the stand-in has another one
        path = graphs.install(edge_home, name)
        assert add_model(path).card.name == name
        return
    added = add_model(given, name)
    assert (added.card.name, added.recorded) == (name, True)
    assert added.against == ()
    assert add_model(given).evidence == ("SHA-256",)


@pytest.mark.parametrize("name", of_kind("detector"))
def test_a_detector_gives_faces_in_the_frame(name: str, edge_home: Path) -> None:
    graphs.install(edge_home, name)
    faces = open_detector(name, threads=1).detect(_picture(), min_score=0.05)
    for face in faces:
        assert face.landmarks.shape == (5, 2)
        assert np.isfinite([*face.box, *face.landmarks.ravel()]).all()


@pytest.mark.parametrize("name", of_kind("landmarker"))
def test_a_landmarker_gives_the_outline(name: str, edge_home: Path) -> None:
    graphs.install(edge_home, name)
    found = open_landmarker(name, threads=1).outline(_picture(), FACE)
    assert found is not None
    assert found.points.shape == (graphs.POINTS, 2)
    assert 0 <= found.score <= 1


@pytest.mark.parametrize("name", of_kind("masker"))
def test_a_masker_gives_a_mask_of_the_crop(name: str, edge_home: Path) -> None:
    graphs.install(edge_home, name)
    mask = open_masker(name, threads=1).mask(_picture(128))
    assert mask.shape == (128, 128)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "stage")


@pytest.mark.parametrize("option", [*of_kind("landmarker"), *of_kind("masker")])
def test_it_takes_part_in_a_swap(option: str, ready: Stage, edge_home: Path) -> None:
    graphs.install(edge_home, option)
    masker = find_card(option).kind == "masker"
    output = ready.folder / "out.png"
    more = ["--mask" if masker else "--landmarker", option]
    files = ["--input", str(ready.picture()), "--output", str(output)]
    leave = ["--purpose", "film", "--target-is", "synthetic"]
    who = ["--identity", str(ready.identity_file)]
    assert main(["swap", *who, *files, *leave, *ARGUMENTS, *more]) == 0
    assert output.is_file()
    engines = Engines(
        model="tiny_swapper",
        detector="tiny_detector",
        threads=1,
        landmarker="" if masker else option,
        masks=(option,) if masker else (),
    )
    swapper = Swapper(ready.identity, purpose="film", target_is="synthetic", engines=engines)
    assert option in [use.name for use in swapper.models]
