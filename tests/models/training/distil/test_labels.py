"""Crops and answers on disk: cut as the runtime cuts, filled once, within the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("onnx")

from edge.contracts import CropSpec
from edge.faces.align import align_to
from edge.records import Face
from models.training.distil import labels as labelling
from models.training.distil.teacher import Shown
from models.training.pairs import HELD_OUT, PLANS
from tests.models.training.distil.stand import SIZE, a_store

CROP = CropSpec("arcface_128", SIZE)


def answer(crop: np.ndarray) -> Shown:
    return Shown(255 - crop, np.full(crop.shape[:2], 255, np.uint8))


def filled(folder: Path, count: int, **changed: Any) -> tuple[labelling.Labels, list[int]]:
    told: list[int] = []
    labels = labelling.open_labels(folder, count, SIZE)
    store = a_store()
    given: dict[str, Any] = {
        "seconds": 60.0,
        "stopped": lambda: False,
        "told": told.append,
        **changed,
    }
    places = [(store, index) for index in range(6)]
    labelling.fill(labels, answer, places, CROP, **given)
    return labels, told


def test_every_place_is_filled_once(tmp_path: Path) -> None:
    labels, told = filled(tmp_path / "l", 9)
    assert told == list(range(1, 10))
    assert labels.ready().tolist() == list(range(9))
    assert np.array_equal(labels.shown, 255 - np.asarray(labels.crops))
    assert (np.asarray(labels.masks) == 255).all()
    assert len({crop.tobytes() for crop in labels.crops}) == 9
    again, told = filled(tmp_path / "l", 9)
    assert told == []
    assert np.array_equal(again.crops, labels.crops)


def test_it_stops_when_asked_and_goes_on(tmp_path: Path) -> None:
    whole, _ = filled(tmp_path / "whole", 8)
    asked = iter([False] * 5 + [True])
    part, told = filled(tmp_path / "part", 8, stopped=lambda: next(asked))
    assert len(told) == len(part.ready()) == 5
    part, told = filled(tmp_path / "part", 8)
    assert len(told) == 3
    assert np.array_equal(part.crops, whole.crops)


def test_it_stops_when_the_time_is_up(tmp_path: Path) -> None:
    labels, _ = filled(tmp_path / "l", 8, seconds=-1.0)
    assert len(labels.ready()) == 0


def test_labels_are_their_owner_s_alone(tmp_path: Path) -> None:
    filled(tmp_path / "l", 2)
    assert (tmp_path / "l").stat().st_mode & 0o777 == 0o700


def test_large_crops_get_fewer() -> None:
    assert labelling.most_labels(24_000, 128) == 24_000
    few = labelling.most_labels(24_000, 512)
    assert few < 24_000
    assert few * 7 * 512 * 512 <= labelling.MOST_BYTES


def test_another_number_of_labels_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path / "l", 4)
    assert len(labelling.open_labels(tmp_path / "l", 6, SIZE).ready()) == 0


def test_a_crop_is_cut_as_the_runtime_cuts_it() -> None:
    store = a_store()
    face = Face((0, 0, 0, 0), 1.0, store.landmarks[2])
    wanted = align_to(store.pictures[2], face, CROP).picture
    assert np.array_equal(labelling.cut(store, 2, CROP, store.landmarks[2]), wanted)


def test_a_mirrored_crop_shows_the_mirrored_face() -> None:
    store = a_store()
    smooth = cv2.GaussianBlur(store.pictures[1], (0, 0), 3)
    store.pictures[1] = smooth
    plain = labelling.cut(store, 1, CROP, store.landmarks[1])
    mirrored = labelling.cut(store, 1, CROP, store.landmarks[1], flip=True)
    difference = np.abs(mirrored[:, ::-1].astype(int) - plain)
    assert np.median(difference) <= 6  # the template is not quite symmetric
    assert np.abs(mirrored.astype(int) - plain).mean() > 2 * difference.mean()


def test_only_what_is_not_held_out_is_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str, crop: int) -> Any:
        if name == "train":
            raise FileNotFoundError
        return a_store(4)

    monkeypatch.setattr(labelling, "Store", opened)
    assert [index for _, index in labelling.pool(SIZE)] == [0, 1, 2, 3]
    monkeypatch.setattr(labelling, "Store", lambda name, crop: a_store(4, scenes=HELD_OUT))
    with pytest.raises(AssertionError):
        labelling.pool(SIZE)


@pytest.mark.parametrize(("size", "crop"), [(128, 128), (160, 256), (256, 256), (512, 256)])
def test_large_crops_are_cut_from_large_pictures(
    size: int, crop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def opened(name: str, crop: int) -> Any:
        asked.append(crop)
        return a_store(4)

    monkeypatch.setattr(labelling, "Store", opened)
    labelling.pool(size)
    labelling.held_out_crops(CropSpec("arcface_128", size), 1)
    assert set(asked) == {crop}


def test_targets_are_other_people_than_those_that_models_are_judged_on() -> None:
    targets = PLANS["targets"]()
    assert max(targets.faces.max(), targets.heads.max(), targets.scenes.max()) < HELD_OUT
    assert not set(targets.scenes.tolist()) & set(PLANS["train"]().scenes.tolist())
    assert len(set(targets.scenes.tolist())) == len(targets.scenes)
