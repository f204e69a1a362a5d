"""The closed-form similarity against a known one and against scikit-image."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from models.training.crops import TEMPLATES, between, crop_matrix, jittered, similarity


def turned(
    points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]
) -> np.ndarray:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T + shift).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_similarity_finds_the_turn(angle: float) -> None:
    points = TEMPLATES["arcface_128"] * 128
    goal = turned(points, angle, 1.7, (5.0, -3.0))
    matrix = similarity(points, goal)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], goal, atol=1e-3)


def test_similarity_is_umeyama() -> None:
    transform = pytest.importorskip("skimage.transform")
    rng = np.random.default_rng(3)
    source = rng.uniform(0, 100, (5, 2)).astype(np.float32)
    goal = rng.uniform(0, 100, (5, 2)).astype(np.float32)
    if hasattr(transform.SimilarityTransform, "from_estimate"):
        peer = transform.SimilarityTransform.from_estimate(source, goal)
    else:  # scikit-image before 0.26
        peer = transform.SimilarityTransform()
        peer.estimate(source, goal)
    theirs = peer.params[:2]
    np.testing.assert_allclose(similarity(source, goal), theirs, atol=1e-3)


def test_between_joins_the_two_crops() -> None:
    landmarks = turned(TEMPLATES["arcface_128"], 0.2, 90.0, (30.0, 40.0))
    first = crop_matrix(landmarks, "arcface_128", 128)
    cut = landmarks @ first[:, :2].T + first[:, 2]
    step = between("arcface_128", 128, "arcface_112_v2", 112)
    goal = TEMPLATES["arcface_112_v2"] * 112
    np.testing.assert_allclose(cut @ step[:, :2].T + step[:, 2], goal, atol=1.5)


def test_jitter_grows_with_the_face() -> None:
    rng = np.random.default_rng(5)
    small = TEMPLATES["arcface_128"] * 50
    moved = [jittered(small * 4, 0.02, rng) - small * 4 for _ in range(400)]
    gap = float(np.linalg.norm(small[1] - small[0])) * 4
    # Not below the eye gap; a little above where the eye-to-mouth height counts for more.
    assert 0.95 < np.std(moved) / (0.02 * gap) < 1.25
