from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.provenance.watermark.detect import (
    GUESSES,
    LIKENESS,
    false_alarm_bound,
    read,
    read_all,
    read_known,
)
from edge.provenance.watermark.embed import Watermark
from tests.edge.provenance.watermark.scenes import ID, SCENES, drawn, flat, textured

Attack = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
SIZE = (960, 720)


def _jpeg(quality: int) -> Attack:
    def apply(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return apply


def _scaled(scale: float) -> Attack:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return lambda f: np.asarray(
        cv2.resize(f, None, fx=scale, fy=scale, interpolation=method), np.uint8
    )


def _turned(degrees: float) -> Attack:
    def apply(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        turned = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_CUBIC)
        return np.asarray(turned[40:-40, 40:-40], np.uint8)

    return apply


def _gamma(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(255 * (frame / 255) ** 0.85, np.uint8)


def _cut(left: int, top: int, width: int, height: int) -> Attack:
    return lambda frame: frame[top : top + height, left : left + width]


ATTACKS: dict[str, tuple[Attack, ...]] = {
    "none": (),
    "q50": (_jpeg(50),),
    "off the grid": (_cut(33, 21, 801, 603), _jpeg(70)),
    "half": (_scaled(0.5),),
    "enlarged": (_scaled(1.5),),
    "cropped, scaled, q60": (_cut(101, 57, 700, 560), _scaled(0.7), _jpeg(60)),
    "mirrored": (lambda frame: frame[:, ::-1],),
    "quarter turn": (lambda frame: np.rot90(frame),),
    "turned by 1 degree": (_turned(1),),
    "turned by -3 degrees, q75": (_turned(-3), _jpeg(75)),
    "screenshot": (_scaled(0.8), _gamma, _jpeg(60)),
    "twice": (_scaled(0.83), _jpeg(60), _jpeg(60)),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("scene", ["textured", "drawn"])
def test_the_id_is_read_after(scene: str, attack: str) -> None:
    frame = SCENES[scene](*SIZE)
    Watermark(ID, *SIZE).draw(frame)
    for step in ATTACKS[attack]:
        frame = np.ascontiguousarray(step(frame))
    found = read(frame)
    assert found is not None
    assert found.id == ID
    assert found.mirrored == (attack == "mirrored")
    assert LIKENESS / 640**0.5 <= found.confidence <= 1
    assert found.false_alarm < 1e-7


def test_what_was_done_to_the_picture_is_told() -> None:
    frame = textured(*SIZE)
    Watermark(ID, *SIZE).draw(frame)
    found = read(_turned(2)(_scaled(0.6)(frame)))
    assert found is not None
    assert found.scale == pytest.approx(0.6, rel=0.01)
    assert abs(found.turn) == pytest.approx(2, abs=0.2)


def test_a_large_picture_is_read_at_its_own_scale_and_at_a_fraction() -> None:
    size = (2400, 1800)
    frame = textured(*size)
    Watermark(ID, *size).draw(frame)
    known = read_known(frame)
    assert known is not None
    assert known.id == ID
    blind = read(_scaled(0.3)(frame))
    assert blind is not None
    assert blind.id == ID


@pytest.mark.parametrize("scene", [*SCENES, "black", "noise"])
def test_nothing_is_read_where_nothing_is(scene: str) -> None:
    if scene == "noise":
        frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    else:
        frame = flat(640, 480, 0) if scene == "black" else SCENES[scene](640, 480)
    assert read(frame) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 30), (159, 161)])
def test_small_pictures_are_no_error(size: tuple[int, int]) -> None:
    frame = drawn(*size) if min(size) > 30 else flat(*size)
    Watermark(ID, *size).draw(frame)
    found = read(frame)
    assert found is None or found.id == ID


def test_a_picture_marked_twice_is_read_as_both() -> None:
    other = "fedcba9876543210"
    frame = textured(*SIZE)
    for identifier in (ID, other):
        Watermark(identifier, *SIZE).draw(frame)
    assert {found.id for found in read_all(frame)} == {ID, other}


def test_frames_that_say_too_little_alone_are_read_together() -> None:
    """Six frames with the same mark, each with too much noise of its own."""
    rng = np.random.default_rng(5)
    frames = []
    for seed in range(6):
        frame = textured(480, 360, seed)
        Watermark(ID, 480, 360).draw(frame)
        noisy = frame + 40 * rng.standard_normal(frame.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    assert read_known(frames[0]) is None
    found = read_known(*frames)
    assert found is not None
    assert found.id == ID


def test_the_bound_is_small_at_the_threshold_and_falls() -> None:
    at_threshold = false_alarm_bound(LIKENESS, 4 * (GUESSES + 1))
    assert 1e-9 < at_threshold < 1e-7
    assert false_alarm_bound(LIKENESS + 1, 36) < at_threshold / 1e4
    assert false_alarm_bound(3, 36) == 1


def test_the_bound_holds_for_random_signs() -> None:
    """The tail that the bound is derived from, seen: sums of fixed numbers with random signs."""
    rng = np.random.default_rng(0)
    numbers = np.abs(rng.standard_cauchy(640)).clip(0, 50)  # whatever they are
    signs = rng.choice(np.array([-1, 1], np.int8), (20_000, 640))
    sums = signs @ numbers / np.linalg.norm(numbers)
    for likeness in (1.0, 2.0, 3.0):
        assert (sums >= likeness).mean() <= np.exp(-(likeness**2) / 2)
