"""What a bench makes for the occasion: a home that goes again, a sample, an identity of nobody."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge import occasion, resources
from edge.consent.terms import NOBODY
from edge.errors import OutputError, UsageError
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.media.image import read_picture


@pytest.mark.parametrize(
    ("size", "target"),
    [((40, 30), (80, 60)), ((40, 30), (20, 15)), ((40, 30), (80, 80)), ((40, 30), (90, 20))],
)
def test_fit_keeps_proportions(size: tuple[int, int], target: tuple[int, int]) -> None:
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, width // 2 :] = 255
    out = occasion.fit(frame, target)
    assert out.shape == (target[1], target[0], 3)
    scale = min(target[0] / width, target[1] / height)
    edge_at = int(np.argmax(out[0, :, 0] > 127))
    assert abs(edge_at - width * scale / 2) <= 2
    assert out[-1, -1].tolist() == [255, 255, 255]


def test_the_device_s_own_home_comes_back(
    tmp_path: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (edge_home / "data" / "cards").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with occasion.home_in(tmp_path / "one"):
        assert os.environ["EDGE_HOME"] == str(tmp_path / "one" / "home")
        assert (resources.data_dir() / "cards").is_dir(), "the user's own models stay usable"
    assert os.environ["EDGE_HOME"] == str(edge_home)
    monkeypatch.delenv("EDGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    with occasion.home_in(tmp_path / "two"):
        pass
    assert "EDGE_HOME" not in os.environ


@pytest.mark.parametrize("faces", [1, 2, 3])
def test_a_sample_shows_as_many_as_were_asked_for(faces: int) -> None:
    frame = read_picture(occasion.sample_with(faces)).frame
    assert len(open_detector().detect(frame)) == faces


@pytest.mark.parametrize("faces", [0, 4])
def test_there_is_no_such_sample(faces: int) -> None:
    with pytest.raises(UsageError, match=f"1 to 3 faces, not {faces}"):
        occasion.sample_with(faces)


def test_a_sample_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "samples_dir", lambda: tmp_path)
    with pytest.raises(OutputError, match=r"sample-two\.jpg: the sample picture is missing"):
        occasion.sample_with(2)


def test_an_identity_of_nobody(tmp_path: Path) -> None:
    frame = read_picture(occasion.sample_with(1)).frame
    face = open_detector().detect(frame)[0]
    photo = occasion.photo_of(frame, face, tmp_path)
    cut = read_picture(photo).frame
    assert len(open_detector().detect(cut)) == 1, "the photo shows the face"
    identity = occasion.identity_of_nobody(open_embedder("ref_embedder"), frame, face, photo)
    consent = identity.consent
    assert (consent.subject, consent.claim) == (NOBODY, "synthetic")
    assert consent.covers_photo(photo)
    assert set(identity.embeddings) == {"ref_embedder"}
