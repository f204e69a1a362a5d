from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cards import find_card
from edge.errors import CardError, ModelError, UsageError
from edge.faces.detect import PICTURE_PASSES, VIDEO_PASSES, Detector, _halved, open_detector
from edge.faces.track import overlap
from edge.media.image import read_picture
from edge.records import Face
from edge.registry import find_file
from edge.resources import samples_dir
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def detector(edge_home: Path) -> Detector:
    tiny.install(edge_home)
    return open_detector("tiny_detector", threads=1)


def _white(height: int, width: int, x: int, y: int, side: int) -> NDArray[np.uint8]:
    frame = np.zeros((height, width, 3), np.uint8)
    frame[y : y + side, x : x + side] = 255
    return frame


def test_a_cell_is_decoded_as_the_contract_says(detector: Detector) -> None:
    (face,) = detector.detect(tiny.white_cells((128, 192), [(10, 6)]))
    # Centre half a cell in, four cells wide; landmarks from the cell's corner.
    np.testing.assert_allclose(face.box, (84 - 16, 52 - 16, 32, 32), atol=1e-3)
    expected = (np.array([10, 6]) + np.array(tiny.LANDMARK_CELLS)) * 8
    np.testing.assert_allclose(face.landmarks, expected, atol=1 / 32)  # placed to a sixteenth
    assert face.landmarks.dtype == np.float32
    assert face.score == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-4)


def test_faces_come_largest_first_and_all_of_them(edge_home: Path) -> None:
    data = tiny.detector(active=(8, 32))
    tiny.install_one(edge_home, "two_sizes", "detector", tiny.DETECTOR, data)
    frame = _white(320, 320, 32, 64, 32)
    frame[256:264, 256:264] = 255
    faces = open_detector("two_sizes").detect(frame)
    areas = [face.box[2] * face.box[3] for face in faces]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] == pytest.approx(128 * 128, rel=1e-3)
    assert areas[-1] == pytest.approx(32 * 32, rel=1e-3)


def test_boxes_that_overlap_are_one_face(detector: Detector) -> None:
    frame = tiny.white_cells((128, 128), [(6, 6), (7, 6), (13, 13)])
    assert len(detector.detect(frame)) == 2


def test_nothing_is_found_in_nothing(detector: Detector) -> None:
    assert detector.detect(np.zeros((100, 100, 3), np.uint8)) == ()


def test_the_threshold_is_the_cards_or_the_callers(detector: Detector) -> None:
    frame = tiny.white_cells((128, 128), [(6, 6)])
    assert detector.detect(frame, min_score=0.999) == ()
    assert len(detector.detect(frame, min_score=0.0)) >= 1
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="min_score"):
            detector.detect(frame, min_score=wrong)


@pytest.mark.parametrize("passes", [(), (8,), (0, 640)])
def test_passes_that_make_no_sense_are_refused(detector: Detector, passes: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="passes"):
        detector.detect(np.zeros((64, 64, 3), np.uint8), passes=passes)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (33, 97), (5, 2000), (700, 31), (1000, 1700)])
def test_any_size_of_frame_is_looked_at(detector: Detector, size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 40, np.uint8)
    assert detector.detect(frame) == ()


def test_small_faces_of_a_large_picture_are_found_by_the_finer_pass(detector: Detector) -> None:
    frame = tiny.white_cells((720, 1280), [(100, 50)])
    assert detector.detect(frame, passes=VIDEO_PASSES) == ()
    (face,) = detector.detect(frame, passes=PICTURE_PASSES)
    np.testing.assert_allclose(face.box, (804 - 16, 404 - 16, 32, 32), atol=0.1)


def test_a_face_seen_in_two_passes_is_one(detector: Detector) -> None:
    # 16 x 16 pixels: one cell at half the size, four at full size.
    frame = _white(720, 1280, 320, 160, 16)
    faces = detector.detect(frame)
    assert len(faces) == 1
    x, y, width, height = faces[0].box
    assert (x + width / 2, y + height / 2) == pytest.approx((328, 168), abs=8)


def test_a_model_of_another_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a swapper, but a detector is needed"):
        open_detector("tiny_swapper")


# YuNet, against OpenCV's own decoder of it.


@pytest.fixture
def yunet() -> Detector:
    if find_file(find_card("yunet")) is None:
        pytest.skip("the file of yunet is not here (EDGE_MODELS_DIR, edge models add)")
    return open_detector("yunet", threads=1)


@pytest.fixture
def astronaut() -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def _by_opencv(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    path = find_file(find_card("yunet"))
    height, width = frame.shape[:2]
    peer = cv2.FaceDetectorYN.create(str(path), "", (width, height), 0.5, 0.3)
    found = peer.detect(frame)[1]
    return np.empty((0, 15), np.float32) if found is None else np.asarray(found, np.float32)


@pytest.mark.parametrize("height", [640, 512, 300, 90])
def test_yunet_is_decoded_as_opencv_does(
    yunet: Detector, astronaut: NDArray[np.uint8], height: int
) -> None:
    # Padded to the model's own size, so that OpenCV sees the very same tensor.
    small = cv2.resize(astronaut, (height, height), interpolation=cv2.INTER_AREA)
    assert _alike(yunet, small.astype(np.uint8)) in ((1,) if height > 90 else (0, 1))


@pytest.mark.parametrize(("name", "count"), [("sample-two.jpg", 2), ("sample-three.jpg", 3)])
def test_yunet_finds_several_faces_where_opencv_does(
    yunet: Detector, name: str, count: int
) -> None:
    frame = read_picture(samples_dir() / name).frame
    scale = 640 / max(frame.shape[:2])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert _alike(yunet, small.astype(np.uint8)) == count


def _alike(yunet: Detector, small: NDArray[np.uint8]) -> int:
    """Check that both find the same in a picture that fits; return how many faces."""
    frame = np.zeros((640, 640, 3), np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small
    expected = _by_opencv(frame)
    found = yunet.detect(frame)
    assert len(found) == len(expected)
    largest = expected[np.argsort(-expected[:, 2] * expected[:, 3])]
    for face, row in zip(found, largest, strict=True):
        np.testing.assert_allclose(face.box, row[:4], atol=0.5)
        np.testing.assert_allclose(face.landmarks.ravel(), row[4:14], atol=0.5)
        assert face.score == pytest.approx(row[14], abs=1e-3)
    return len(found)


def test_yunet_finds_the_astronaut_in_a_picture_of_any_size(
    yunet: Detector, astronaut: NDArray[np.uint8]
) -> None:
    # As measured with OpenCV's FaceDetectorYN on the whole picture.
    expected = np.array(
        [[203.4, 103.6], [247.5, 104.4], [224.1, 127.7], [204, 143.1], [242.9, 143.7]]
    )
    for factor in (1, 2.5):
        frame = cv2.resize(astronaut, None, fx=factor, fy=factor).astype(np.uint8)
        (face,) = yunet.detect(frame)
        # At another size YuNet itself places them up to 0.15 eye distances (44 px) elsewhere.
        assert np.abs(face.landmarks / factor - expected).max() < 0.2 * 44


def test_the_card_of_yunet_means_the_file_that_is_here(yunet: Detector) -> None:
    path = find_file(yunet.card)
    assert path is not None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == yunet.uses[0].sha256


def test_what_is_seen_in_tiles_is_what_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces across the cuts of a large picture, by the shipped detector."""
    from edge import resources
    from edge.faces import detect
    from edge.faces.track import overlap
    from edge.media.image import read_picture

    sample = read_picture(resources.samples_dir() / "sample-two.jpg").frame
    small = cv2.resize(sample, (640, 360), interpolation=cv2.INTER_AREA)
    row = np.concatenate([small] * 3, axis=1)
    frame = np.ascontiguousarray(np.concatenate([row] * 3, axis=0))
    detector = open_detector(threads=1)
    in_tiles = detector.detect(frame)
    monkeypatch.setattr(detect, "MOST_PIXELS", 2**40)
    at_once = detector.detect(frame)
    assert len(in_tiles) == len(at_once) == 18
    for face in at_once:
        assert max(overlap(face, other) for other in in_tiles) > 0.9


def test_the_last_look_at_a_large_picture_gives_memory_back() -> None:
    detector = open_detector(threads=1)
    session, runs = detector._look.session, list[str]()

    def noted(name: str) -> Any:
        def run(feeds: Mapping[str, Any]) -> Any:
            runs.append(f"{name} {next(iter(feeds.values())).shape[3]}")
            return session.run(feeds)

        return run

    detector._look.session = SimpleNamespace(
        run=noted("run"), run_last=noted("last"), outputs=session.outputs, provider=session.provider
    )
    frame = np.zeros((60, 1280, 3), np.uint8)
    detector.detect(frame)
    assert runs == ["run 640", "run 1280", "last 320"]
    runs.clear()
    detector.detect(frame, passes=VIDEO_PASSES)
    assert runs == ["run 640", "run 320"]


def _at(face: Face, x: float, y: float) -> Face:
    """The same face elsewhere: its box begins there."""
    move = np.array([x - face.box[0], y - face.box[1]], np.float32)
    return replace(face, box=(x, y, *face.box[2:]), landmarks=face.landmarks + move)


@pytest.mark.parametrize("closely", [True, False], ids=["by its landmarker", "in a region"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_face_is_found_near_where_it_is_expected(times: int, closely: bool) -> None:
    from edge import resources
    from edge.media.image import read_picture

    sample = read_picture(resources.samples_dir() / "sample-two.jpg").frame
    frame = np.ascontiguousarray(sample.repeat(times, axis=0).repeat(times, axis=1))
    both = open_detector(threads=1)
    detector = both if closely else Detector(both.card, both._look.session)
    first, second = detector.detect(frame)
    for face in (first, second):
        x, y, width, height = face.box
        found = detector.near(frame, _at(face, x + width / 10, y - height / 10))
        assert found is not None
        eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
        assert np.linalg.norm(found.landmarks - face.landmarks, axis=1).mean() < 0.03 * eyes
        assert overlap(found, face) > 0.9
    assert detector.near(frame, _at(first, 5.0, 5.0)) is None
    assert detector.near(frame, _at(first, -900.0, 5.0)) is None
    assert detector.near(frame, first, min_score=1.0) is None


def test_a_face_that_no_crop_can_show_is_not_followed() -> None:
    detector = open_detector(threads=1)
    flat = Face(box=(20, 20, 60, 60), score=0.9, landmarks=np.full((5, 2), 50, np.float32))
    assert detector.near(np.full((120, 160, 3), 90, np.uint8), flat) is None


@pytest.mark.parametrize(
    ("size", "scale", "factor"),
    [((64, 48), 0.6, 1), ((64, 48), 0.5, 2), ((67, 49), 0.2, 4), ((3, 2), 0.1, 1)],
)
def test_what_is_followed_is_halved_as_often_as_it_shrinks_by_two(
    size: tuple[int, int], scale: float, factor: int
) -> None:
    width, height = size
    part = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    found, by = _halved(part, scale)
    assert by == factor
    assert found.shape == (height // factor, width // factor, 3)
    rows, columns = (length // factor * factor for length in (height, width))
    blocks = part[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor, 3)
    assert np.abs(blocks.mean(axis=(1, 3)) - found).max() <= 1.0


def test_a_model_that_finds_faces_everywhere_is_refused(detector: Detector) -> None:
    cells = [(column, row) for column in range(4, 236, 5) for row in range(4, 131, 5)]
    crowd = tiny.white_cells((1080, 1920), cells)
    with pytest.raises(ModelError, match=r"finds more than 1000 faces in one picture"):
        detector.detect(crowd)


def test_faces_everywhere_are_refused_behind_the_first_look(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each further one would take as long again, and their merging longer."""
    cells = [(column, row) for column in range(4, 236, 5) for row in range(4, 131, 5)]
    crowd = tiny.white_cells((1080, 1920), cells)
    real, looks = detector._look.at, []

    def look(frame: Any, scale: float, *given: Any) -> Any:
        looks.append(scale)
        return real(frame, scale, *given)

    monkeypatch.setattr(detector._look, "at", look)
    with pytest.raises(ModelError, match="more than 1000 faces"):
        detector.detect(crowd, passes=(960, 1920))
    assert looks == [1.0]
