"""Geometry of heads on canvases: landmarks and boxes follow the pixels."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from models.training.detector import augment  # noqa: E402
from models.training.detector.compose import (  # noqa: E402
    FLIP,
    Canvas,
    Sources,
    compose,
    halved,
    mirrored,
    warped,
)
from models.training.detector.pool import Head  # noqa: E402
from models.training.detector.things import Bank, background  # noqa: E402

POINTS = np.array([[78, 80], [114, 82], [96, 100], [82, 120], [110, 122]], np.float32)


def dotted() -> Head:
    """A grey disc whose five landmarks are bright dots of different blue."""
    cutout = np.zeros((192, 192, 4), np.uint8)
    cv2.ellipse(cutout, (96, 96), (50, 64), 0, 0, 360, (60, 60, 60, 255), -1)
    for number, (x, y) in enumerate(POINTS.astype(int)):
        cv2.circle(cutout, (int(x), int(y)), 4, (120 + 30 * number, 255, 255, 255), -1)
    return Head(cutout, POINTS.copy(), np.array([46, 32, 100, 128], np.float32))


class OneHead:
    """A pool of one head."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, place: int) -> Head:
        return dotted()


def blues(head: Head) -> list[int]:
    """The blue value under each landmark, rounded to the five dots' values."""
    places = head.points.round().astype(int)
    values = [int(head.cutout[y, x, 0]) for x, y in places]
    return [round((v - 120) / 30) for v in values]


def test_dots_lie_under_their_landmarks() -> None:
    assert blues(dotted()) == [0, 1, 2, 3, 4]


def test_mirroring_swaps_left_and_right() -> None:
    head = mirrored(dotted())

    assert blues(head) == FLIP
    assert head.points[0, 0] < head.points[1, 0]
    assert head.box.tolist() == [191 - 46 - 100, 32, 100, 128]


def test_halving_keeps_the_place() -> None:
    assert blues(halved(dotted())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(6))
def test_warping_moves_landmarks_with_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)

    head = warped(dotted(), 90.0, rng)

    assert sorted(blues(head)) == [0, 1, 2, 3, 4]
    assert blues(head) in ([0, 1, 2, 3, 4], FLIP)
    assert head.size == pytest.approx(90, rel=0.2)
    alpha = np.argwhere(head.cutout[..., 3] > 127)
    low, high = alpha.min(0)[::-1], alpha.max(0)[::-1]
    assert head.box[:2] == pytest.approx(low, abs=3)
    assert head.box[:2] + head.box[2:] == pytest.approx(high, abs=3)


def test_a_covered_face_is_not_visible() -> None:
    canvas = Canvas(np.zeros((256, 256, 3), np.uint8))
    canvas.add(dotted(), 20, 20, True)
    number, face = canvas.faces[0]
    assert canvas.visible(number, face) > 0.95

    canvas.cover(np.full((192, 96), 255, np.uint8), 20, 20)

    assert canvas.visible(number, face) == pytest.approx(0.5, abs=0.05)


def test_canvases_are_the_same_for_the_same_seed() -> None:
    made_of = Sources(Bank(), OneHead(), OneHead())  # type: ignore[arg-type]
    first, second = (compose(made_of, 256, np.random.default_rng(5)) for _ in range(2))

    assert np.array_equal(first.picture, second.picture)
    assert np.array_equal(first.points, second.points)


def test_canvases_keep_their_promises() -> None:
    made_of = Sources(Bank(), OneHead(), OneHead())  # type: ignore[arg-type]
    faces = 0
    for seed in range(30):
        sample = compose(made_of, 256, np.random.default_rng(seed))
        assert sample.picture.shape == (256, 256, 3)
        assert sample.picture.dtype == np.uint8
        assert len(sample.boxes) == len(sample.points)
        faces += len(sample.boxes)
    assert faces > 20


def test_backgrounds_need_no_pictures() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        assert background(Bank(), 128, rng).shape == (128, 128, 3)


@pytest.mark.parametrize(
    "change",
    [
        augment.tone, augment.saturation, augment.grey, augment.hue, augment.blur, augment.motion,
        augment.noise, augment.jpeg, augment.low_resolution, augment.sharpen, augment.posterise,
        augment.equalise, augment.shade, augment.camera,
    ],
)  # fmt: skip
def test_changes_keep_shape_and_type(change: object) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (96, 128, 3)).astype(np.uint8)
    for _ in range(5):
        out = change(picture.copy(), rng)  # type: ignore[operator]
        assert out.shape == picture.shape
        assert out.dtype == np.uint8
