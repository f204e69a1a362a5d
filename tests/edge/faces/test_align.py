from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.contracts import CropSpec
from edge.errors import UsageError
from edge.faces.align import (
    TEMPLATES,
    affine,
    align,
    align_to,
    cut,
    inverse,
    quarter_turns,
    scale_of,
    similarity,
    turned,
    upright,
)
from edge.records import Face

SIZE = 128


def _placed(template: str, side: float, degrees: float, x: float, y: float) -> NDArray[np.float32]:
    """Return the template's points, `side` pixels wide, turned, with the middle at x, y."""
    turn = np.exp(1j * np.radians(degrees))
    points = (TEMPLATES[template] - 0.5) @ [1, 1j] * side * turn + complex(x, y)
    return np.stack([points.real, points.imag], axis=1).astype(np.float32)


def _face(landmarks: NDArray[np.float32]) -> Face:
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    box = (*low.tolist(), *(high - low).tolist())
    return Face(box=box, score=1.0, landmarks=landmarks)


def _apply(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_template_in_the_frame_comes_back_to_its_place(template: str) -> None:
    landmarks = _placed(template, 300, 20, 500, 400)
    matrix = similarity(landmarks, template, SIZE)
    np.testing.assert_allclose(_apply(matrix, landmarks), TEMPLATES[template] * SIZE, atol=1e-3)
    assert scale_of(matrix) == pytest.approx(SIZE / 300, rel=1e-5)


points = st.lists(
    st.tuples(st.floats(-4000, 4000, width=32), st.floats(-4000, 4000, width=32)),
    min_size=5,
    max_size=5,
    unique=True,
)


@settings(deadline=None)
@given(points=points)
def test_it_is_umeyamas_answer(points: list[tuple[float, float]]) -> None:
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is not installed")
    landmarks = np.array(points, np.float32)
    if np.ptp(landmarks, axis=0).min() < 1:
        return  # points on a line leave it to rounding whether Umeyama sees a rank of one
    matrix = similarity(landmarks, "arcface_128", SIZE)
    goals = TEMPLATES["arcface_128"] * SIZE
    ours = np.square(_apply(matrix, landmarks) - goals).sum()
    if hasattr(transform.SimilarityTransform, "from_estimate"):
        peer = transform.SimilarityTransform.from_estimate(landmarks, goals).params[:2]
    else:
        peer = transform.SimilarityTransform()
        peer.estimate(landmarks, goals)
        peer = peer.params[:2]
    theirs = np.square(_apply(peer, landmarks) - goals).sum()
    # The least sum of squares is the same, even where nearly equal answers differ.
    assert ours <= theirs * (1 + 1e-6) + 1e-6


@settings(deadline=None)
@given(points=points)
def test_it_never_mirrors_and_has_a_way_back(points: list[tuple[float, float]]) -> None:
    landmarks = np.array(points, np.float32)
    try:
        matrix = similarity(landmarks, "arcface_128", SIZE)
    except UsageError:
        return
    assert matrix[0, 0] == matrix[1, 1]
    assert matrix[0, 1] == -matrix[1, 0]
    if scale_of(matrix) > 1e-6:
        back = inverse(matrix)
        there = np.array([[3.0, 4.0], [100.0, 7.0]])
        np.testing.assert_allclose(_apply(matrix, _apply(back, there)), there, atol=1e-5)


@pytest.mark.parametrize(
    "landmarks",
    [
        np.full((5, 2), 7.0),
        np.full((5, 2), np.nan),
        np.array([[0, 0], [np.inf, 0], [1, 1], [0, 2], [2, 2]], float),
        np.zeros((4, 2)),
    ],
)
def test_landmarks_that_are_no_face_are_refused(landmarks: NDArray[np.float64]) -> None:
    with pytest.raises(UsageError):
        similarity(landmarks, "arcface_128", SIZE)


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no template 'x'; known: arcface_112_v1"):
        similarity(_placed("arcface_128", 90, 0, 50, 50), "x", SIZE)


def _gradient(height: int, width: int) -> NDArray[np.uint8]:
    """Return a frame whose colour tells the place: blue by x, green by y."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.linspace(0, 250, width)[None]
    frame[..., 1] = np.linspace(0, 250, height)[:, None]
    return frame


@pytest.mark.parametrize("side", [60, 130, 300, 700, 1900])
@pytest.mark.parametrize("place", [(600, 600), (40, 1150)])
def test_a_crop_shows_what_its_matrix_says(side: float, place: tuple[int, int]) -> None:
    frame = _gradient(1200, 1200)
    face = _face(_placed("arcface_128", side, 25, *place))
    crop = align(frame, face, "arcface_128", SIZE)
    assert crop.picture.shape == (SIZE, SIZE, 3)
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1).reshape(-1, 2)
    seen = np.clip(_apply(inverse(crop.matrix), grid.astype(float)), 0, 1199)
    expected = (seen * 250 / 1199).reshape(SIZE, SIZE, 2)
    error = np.abs(crop.picture[..., :2] - expected)
    # At the frame's edge the averaging may drop the last pixels of an odd block.
    assert np.quantile(error, 0.99) <= 2


def test_a_large_face_is_averaged_and_not_skipped_through() -> None:
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 2, (1000, 1000, 1), np.uint8).repeat(3, axis=2) * 255
    face = _face(_placed("arcface_128", 800, 0, 500, 500))
    ours = align(frame, face, "arcface_128", SIZE).picture
    matrix = similarity(face.landmarks, "arcface_128", SIZE)
    plain = cv2.warpAffine(frame, matrix, (SIZE, SIZE))
    assert ours.std() < 0.5 * plain.std()


@pytest.mark.parametrize("place", [(-5000, -5000), (5000, 20), (3, 3)])
@pytest.mark.parametrize("frame_size", [(1, 1), (2, 3), (50, 1)])
def test_tiny_frames_and_faces_outside_of_them_give_a_crop(
    place: tuple[int, int], frame_size: tuple[int, int]
) -> None:
    frame = np.full((*frame_size, 3), 90, np.uint8)
    face = _face(_placed("arcface_128", 900, 10, *place))
    crop = align(frame, face, "arcface_128", SIZE)
    assert (crop.picture == 90).all()


@settings(deadline=None)
@given(
    turn=st.floats(-3, 3),
    stretch=st.floats(0.5, 2),
    shear=st.floats(-0.5, 0.5),
    scale=st.floats(0.2, 5),
)
def test_an_affine_fit_undoes_any_affine_map(
    turn: float, stretch: float, shear: float, scale: float
) -> None:
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.array([[stretch, shear], [0, 1]])
    landmarks = TEMPLATES["arcface_112_v2"] * SIZE @ linear.T + (300, 200)
    matrix = affine(landmarks, "arcface_112_v2", SIZE)
    goals = TEMPLATES["arcface_112_v2"] * SIZE
    np.testing.assert_allclose(_apply(matrix, landmarks), goals, atol=1e-6)
    np.testing.assert_allclose(_apply(inverse(matrix), goals), landmarks, atol=1e-6)
    assert scale_of(matrix) == pytest.approx(1 / (scale * stretch**0.5), rel=1e-6)


def test_an_affine_fit_is_the_least_squares_one() -> None:
    landmarks = np.array([[210, 190], [301, 204], [251, 255], [204, 300], [280, 312]], float)
    goals = TEMPLATES["arcface_112_v2"] * SIZE
    expected = np.linalg.lstsq(np.column_stack([landmarks, np.ones(5)]), goals, rcond=None)[0].T
    np.testing.assert_allclose(affine(landmarks, "arcface_112_v2", SIZE), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("landmarks", "words"),
    [
        (np.column_stack([np.arange(5.0), np.arange(5.0) * 2]), "on one line"),
        (np.full((5, 2), 7.0), "on one line"),
        (TEMPLATES["arcface_112_v2"] * (-100, 100), "mirrored"),
        (np.full((5, 2), np.inf), "finite"),
    ],
)
def test_landmarks_that_fit_no_affine_map_are_refused(
    landmarks: NDArray[np.float64], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        affine(landmarks, "arcface_112_v2", SIZE)


def test_a_cards_crop_is_moved_by_its_offset_and_grows_as_a_whole() -> None:
    frame = _gradient(400, 400)
    face = _face(_placed("arcface_128", 150, 10, 200, 200))
    plain = align(frame, face, "arcface_128", SIZE)
    moved = align_to(frame, face, CropSpec("arcface_128", SIZE, offset=0.5))
    np.testing.assert_allclose(moved.matrix[:, 2] - plain.matrix[:, 2], 0.5)
    np.testing.assert_allclose(moved.matrix[:, :2], plain.matrix[:, :2])
    large = align_to(frame, face, CropSpec("arcface_128", SIZE, offset=0.5), 3)
    np.testing.assert_allclose(large.matrix, 3 * moved.matrix)
    assert large.picture.shape == (3 * SIZE, 3 * SIZE, 3)


def test_a_face_that_was_cut_out_by_an_affine_map_goes_back_to_its_place() -> None:
    from edge.paste import paste
    from edge.softmask import of_alpha

    frame = _gradient(400, 400)
    landmarks = _placed("arcface_112_v2", 150, 10, 200, 200) * (1.2, 0.9)
    spec = CropSpec("arcface_112_v2", SIZE, "affine")
    crop = align_to(frame, _face(landmarks), spec)
    work = frame.copy()
    region = paste(work, crop.picture, of_alpha(np.ones((SIZE, SIZE), np.float32)), crop.matrix)
    assert min(region.width, region.height) > 100
    assert np.abs(work.astype(int) - frame).max() <= 4


@pytest.mark.parametrize("shape", [(-1.0, 1.0), (0.0, 1.0)], ids=["eyes-changed", "one-line"])
def test_a_profile_that_fits_no_affine_map_is_cut_out_by_a_similarity(
    shape: tuple[float, float],
) -> None:
    frame = _gradient(400, 400)
    points = TEMPLATES["arcface_112_v2"]
    landmarks = ((points - 0.5) * (0.2, 1.0) * shape * 150 + 200).astype(np.float32)
    with pytest.raises(UsageError):
        affine(landmarks, "arcface_112_v2", SIZE)
    crop = align_to(frame, _face(landmarks), CropSpec("arcface_112_v2", SIZE, "affine"))
    np.testing.assert_array_equal(crop.matrix, similarity(landmarks, "arcface_112_v2", SIZE))


@pytest.mark.parametrize(
    ("box", "scale"), [((20, 30, 60, 80), 1.5), ((-9, 5, 240, 40), 0.5), ((3, 4, 0, 0), 120)]
)
def test_a_box_comes_to_the_middle_of_a_square(
    box: tuple[float, float, float, float], scale: float
) -> None:
    matrix = upright(box, SIZE, 120)
    assert scale_of(matrix) == pytest.approx(scale)
    x, y, width, height = box
    middle = matrix @ np.array([x + width / 2, y + height / 2, 1])
    np.testing.assert_allclose(middle, SIZE / 2)
    right = matrix @ np.array([x + width, y + height / 2, 1])
    np.testing.assert_allclose(right, (SIZE / 2 + scale * width / 2, SIZE / 2))


@pytest.mark.parametrize("degrees", range(-170, 190, 20))
def test_quarter_turns_bring_the_eyes_nearest_to_level(degrees: int) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    landmarks = (TEMPLATES["ffhq_512"] * SIZE - 60) @ turn + 200
    quarters = quarter_turns(landmarks)
    assert quarters in range(4)
    matrix = turned(np.eye(2, 3), SIZE, quarters)
    eyes = landmarks[:2] @ matrix[:, :2].T + matrix[:, 2]
    across, down = eyes[1] - eyes[0]
    assert across > 0
    assert abs(down) <= across * 1.001
    np.testing.assert_allclose(matrix @ np.array([SIZE / 2, SIZE / 2, 1]), SIZE / 2)


@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_crop_is_the_crop_turned(quarters: int) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (129, 129, 3), np.uint8)
    # The middle of 128 pixels' coordinates is a pixel here, so that pixels fall on pixels.
    crop = cut(frame, turned(np.eye(2, 3), SIZE, quarters), SIZE + 1)
    np.testing.assert_array_equal(crop.picture, np.rot90(frame, quarters))


def test_a_card_may_state_its_own_template(tmp_path: Path) -> None:
    from edge.cards import load_card
    from edge.resources import cards_dir

    name = "arcface_112_v2"
    points = [[float(x), float(y)] for x, y in TEMPLATES[name]]
    text = (cards_dir() / "ref_embedder.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(text.replace(f'"{name}"', str(points)), encoding="utf-8")
    crop = load_card(path).crop
    assert crop is not None
    landmarks = _placed(name, 200, 10, 300, 300)
    for fit in (similarity, affine):
        np.testing.assert_array_equal(
            fit(landmarks, crop.template, SIZE), fit(landmarks, name, SIZE)
        )


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_it_is_ransacs_answer_where_the_landmarks_agree(template: str) -> None:
    """As peers align: OpenCV's robust fit, with a threshold that lets every point in."""
    noise = np.random.default_rng(4).normal(0, 0.3, (5, 2))
    landmarks = (_placed(template, 250, 15, 320, 240) + noise).astype(np.float32)
    goals = (TEMPLATES[template] * SIZE).astype(np.float32)
    peer, _ = cv2.estimateAffinePartial2D(
        landmarks, goals, method=cv2.RANSAC, ransacReprojThreshold=100
    )
    ours = similarity(landmarks, template, SIZE)
    corner = np.array([[0.0, 0.0], [640.0, 480.0], *landmarks.tolist()])
    np.testing.assert_allclose(
        _apply(ours, corner), _apply(np.asarray(peer, float), corner), atol=0.05
    )
