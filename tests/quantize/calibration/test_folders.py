"""A folder of the user's own pictures: what is taken, what is left out, and what is said of it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge import resources
from edge.errors import EngineMissing
from edge.faces.align import align, align_to
from quantize.calibration.folders import TakenCrops, crops_in
from quantize.calibration.shipped import calibration_faces
from quantize.contract import ModelContract
from quantize.errors import SamplesError
from tests.quantize.calibration.contracts import guessed, swapper

HAS_VIDEO = importlib.util.find_spec("av") is not None


def _write(path: Path, picture: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


def _crop(index: int, side: int, template: str = "arcface_128") -> NDArray[np.uint8]:
    face = calibration_faces()[index]
    return align(face.frame(), face.face, template, side).picture


def _taken(folder: Path, count: int = 32, contract: ModelContract | None = None) -> TakenCrops:
    return crops_in(folder, contract or swapper(), count=count, seed=0)


@pytest.mark.parametrize("side", [128, 200])
def test_crops_are_used_as_they_are(tmp_path: Path, side: int) -> None:
    picture = _crop(3, side)
    _write(tmp_path / "a.png", picture)
    taken = _taken(tmp_path)
    assert taken.origin == f"folder {tmp_path.name}/: 1 crops"
    expected = picture if side == 128 else cv2.resize(picture, (128, 128), None, 0, 0, 3)
    np.testing.assert_array_equal(taken.crops[0], expected)
    assert taken.names == ("a.png",)
    assert taken.notes == ()


def test_crops_lie_where_the_card_s_offset_puts_them(tmp_path: Path) -> None:
    plain = swapper()
    assert plain.card is not None
    assert plain.card.crop is not None
    spec = replace(plain.card.crop, offset=13.0)
    moved = replace(plain, card=replace(plain.card, crop=spec))
    face = calibration_faces()[3]
    picture = align_to(face.frame(), face.face, spec).picture
    _write(tmp_path / "a.png", picture)
    taken = _taken(tmp_path, contract=moved)
    assert taken.origin.endswith(": 1 crops")
    np.testing.assert_array_equal(taken.crops[0], picture)
    assert _taken(tmp_path).origin.endswith("1 faces found in pictures")


def test_crops_of_another_template_are_aligned_anew(tmp_path: Path) -> None:
    _write(tmp_path / "a.png", _crop(3, 256, "styleganex_384"))
    taken = _taken(tmp_path)
    assert taken.origin.endswith("1 faces found in pictures")
    assert np.abs(taken.crops[0].astype(int) - _crop(3, 128)).mean() < 12


def test_faces_are_found_and_aligned(tmp_path: Path) -> None:
    sample = resources.samples_dir() / "sample-two.jpg"
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "two.jpg").write_bytes(sample.read_bytes())
    taken = _taken(tmp_path)
    assert taken.origin.endswith(": 2 faces found in pictures")
    assert taken.names == ("deep/er/two.jpg",) * 2
    assert all(crop.shape == (128, 128, 3) for crop in taken.crops)


def test_a_square_of_the_model_s_size_counts_even_where_no_face_is_seen(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    _write(tmp_path / "a.png", noise)
    np.testing.assert_array_equal(_taken(tmp_path).crops[0], noise)


@pytest.mark.skipif(not HAS_VIDEO, reason="PyAV is not installed")
def test_frames_are_spread_over_a_video(tmp_path: Path) -> None:
    sample = resources.samples_dir() / "sample.mp4"
    (tmp_path / "v.mp4").write_bytes(sample.read_bytes())
    taken = _taken(tmp_path, count=5)
    assert taken.origin.endswith(": 5 faces found in frames of videos")
    gaps = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(taken.crops, taken.crops[1:], strict=False)
    ]
    assert min(gaps) > 1.5  # neighbouring frames differ by far less


def test_without_a_card_pictures_are_fitted_whole(tmp_path: Path) -> None:
    picture = np.full((64, 96, 3), 50, np.uint8)
    _write(tmp_path / "a.png", picture)
    taken = _taken(tmp_path, contract=guessed((1, 3, 32, 48)))
    assert taken.origin.endswith(": 1 whole pictures")
    assert taken.crops[0].shape == (32, 48, 3)


def test_the_order_is_seeded_and_the_count_is_kept(tmp_path: Path) -> None:
    for number in range(6):
        _write(tmp_path / f"{number}.png", np.full((32, 48, 3), number, np.uint8))
    contract = guessed((1, 3, 32, 48))
    first, again = (_taken(tmp_path, 4, contract) for _ in range(2))
    assert first.names == again.names
    assert len(set(first.names)) == 4
    other = crops_in(tmp_path, contract, count=4, seed=1)
    assert other.names != first.names


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "good.png", _crop(3, 128))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    _write(tmp_path / "wall.png", np.full((300, 200, 3), 128, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture either")
    _write(tmp_path / ".hidden" / "x.png", _crop(4, 128))
    taken = _taken(tmp_path)
    assert taken.names == ("good.png",)
    assert len(taken.notes) == 2
    assert any("broken.jpg" in note and note.endswith("(left out)") for note in taken.notes)
    assert "wall.png: shows no face (left out)" in taken.notes
    assert not any(str(tmp_path) in note for note in taken.notes)


def test_a_single_picture_will_do() -> None:
    taken = _taken(resources.samples_dir() / "sample-two.jpg")
    assert taken.origin == "sample-two.jpg: 2 faces found in pictures"
    assert taken.names == ("sample-two.jpg",) * 2


def test_without_a_decoder_videos_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise EngineMissing("videos need PyAV: pip install 'edge-swap[video]'")

    monkeypatch.setattr("edge.media.video_in.load_av", missing)
    (tmp_path / "v.mp4").write_bytes(b"whatever")
    _write(tmp_path / "a.png", _crop(3, 128))
    taken = _taken(tmp_path)
    assert taken.names == ("a.png",)
    assert taken.notes == ("v.mp4: videos need PyAV: pip install 'edge-swap[video]' (left out)",)


@pytest.mark.skipif(not HAS_VIDEO, reason="PyAV is not installed")
def test_a_broken_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(SamplesError, match=r"nothing to calibrate on: .*v\.mp4"):
        _taken(tmp_path)


def _empty(folder: Path) -> Path:
    return folder


def _absent(folder: Path) -> Path:
    return folder / "absent"


def _file(folder: Path) -> Path:
    (folder / "a.onnx").write_bytes(b"a model")
    return folder / "a.onnx"


def _texts(folder: Path) -> Path:
    (folder / "a.txt").write_text("text")
    return folder


def _faceless(folder: Path) -> Path:
    for name in ("a", "b"):
        _write(folder / f"{name}.png", np.full((200, 300, 3), 90, np.uint8))
    return folder


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (_empty, "holds no picture and no video: it is empty; give another"),
        (_absent, "there is no such folder"),
        (_file, "is neither a picture, nor a video, nor a folder"),
        (_texts, "holds no picture and no video, only 1 other files; give another"),
        (_faceless, r"nothing to calibrate on: .*png: shows no face \(and 1 more\)"),
    ],
)
def test_a_folder_with_nothing(tmp_path: Path, make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(SamplesError, match=text) as caught:
        _taken(make(tmp_path))
    assert "\n" not in str(caught.value)
