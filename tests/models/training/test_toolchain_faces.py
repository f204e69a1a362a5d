"""The faces for the toolchain are those that the script makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge import resources
from edge.media.image import read_picture
from models.training import toolchain_faces as module
from models.training.faces import EDITION

LISTED = json.loads((resources.samples_dir() / "faces" / "faces.json").read_text())


def _jobs() -> list[module.Job]:
    return [*module._calibration_jobs(), *module._held_out_jobs()]


def test_seeds_are_used_by_nothing_else() -> None:
    jobs = _jobs()
    assert len({job.file for job in jobs}) == len(jobs)
    assert min(job.face for job in jobs) > 2_300_005
    calibration = {job.scene.seed for job in module._calibration_jobs()}
    assert not calibration & {job.scene.seed for job in module._held_out_jobs()}


def test_a_truth_differs_from_its_target_in_the_face_alone() -> None:
    step = 2 + module.PHOTOS
    jobs = module._held_out_jobs()
    for target, truth, *photos in (jobs[i : i + step] for i in range(0, len(jobs), step)):
        assert (target.scene, target.head) == (truth.scene, truth.head)
        assert target.face == target.head != truth.face
        assert {photo.face for photo in photos} == {truth.face}


@pytest.mark.parametrize("index", [0, 66])
def test_a_picture_is_made_again(tmp_path: Path, index: int) -> None:
    entries = [*LISTED["calibration"]]
    for swap in LISTED["held_out"]:
        entries += [swap["target"], swap["truth"], *swap["sources"]]
    entry = module.make(_jobs()[index], tmp_path)
    assert entry["file"] == entries[index]["file"]
    made = read_picture(tmp_path / entry["file"]).frame.astype(int)
    assert module.make(_jobs()[index], tmp_path) == entry
    assert np.array_equal(read_picture(tmp_path / entry["file"]).frame, made)
    points = np.array(entry["landmarks"])
    assert np.all((points > 0) & (points < made.shape[0]))
    if LISTED["edition"] != EDITION:
        return  # those that are shipped were drawn by another edition, and show other people
    np.testing.assert_allclose(entry["landmarks"], entries[index]["landmarks"], atol=0.1)
    shipped = read_picture(resources.samples_dir() / "faces" / entry["file"]).frame
    assert np.abs(made - shipped).mean() < 1  # another OpenCV rounds otherwise


def test_the_list_is_json_with_an_entry_a_line(tmp_path: Path) -> None:
    entries = [*LISTED["calibration"]]
    for swap in LISTED["held_out"]:
        entries += [swap["target"], swap["truth"], *swap["sources"]]
    module._write_list(tmp_path / "faces.json", entries, LISTED["edition"])
    shipped = resources.samples_dir() / "faces" / "faces.json"
    assert (tmp_path / "faces.json").read_text() == shipped.read_text()
