from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import paste as module
from edge.errors import UsageError
from edge.faces.align import inverse, rows_of, scale_of, way_back
from edge.paste import lay_over, paste, put_back
from edge.records import Crop, Region
from edge.softmask import feather, of_alpha

SIZE = 64

# uint8 steps. OpenCV 4 rounds every sampling point to 1/32 of a pixel; OpenCV 5 does not.
_LIMIT = 2.0 if int(cv2.__version__.split(".")[0]) >= 5 else 2.5


def smooth(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return a picture as smooth as faces are."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4, borderType=cv2.BORDER_REFLECT)
    return np.clip((soft - 128) * 6 + 128, 0, 255).astype(np.uint8)


def ellipse(size: int = SIZE) -> NDArray[np.float32]:
    grid = (np.arange(size) + 0.5) / size - 0.5
    return ((grid[None] / 0.38) ** 2 + (grid[:, None] / 0.44) ** 2 < 1).astype(np.float32)


def _matrix(scale: float, degrees: float, x: float, y: float) -> NDArray[np.float64]:
    """Return frame -> crop, for a crop `scale` times as large in the frame, centred at x, y."""
    turn = np.exp(-1j * np.radians(degrees)) / scale
    middle = (SIZE - 1) / 2
    shift = complex(middle, middle) - turn * complex(x, y)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _reference(
    frame: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Paste in float64: sample colour times alpha, and alpha, bilinearly; 0 outside the crop."""
    share = _without_border(alpha)
    layer = np.concatenate([picture * share[..., None], share[..., None]], axis=2)
    return _laid(frame, layer, matrix)


def _without_border(alpha: NDArray[np.float32]) -> NDArray[np.float64]:
    share = alpha.astype(np.float64)
    share[[0, -1], :] = 0
    share[:, [0, -1]] = 0
    return share


def _laid(
    frame: NDArray[np.uint8], layer: NDArray[np.float64], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lay a layer of three colours, multiplied beforehand, and alpha on a frame, in float64."""
    height, width = frame.shape[:2]
    padded = np.pad(layer, ((1, 2), (1, 2), (0, 0)))
    ys, xs = np.mgrid[:height, :width]
    u = np.clip(matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2], -1, SIZE)
    v = np.clip(matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2], -1, SIZE)
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = (u - u0)[..., None], (v - v0)[..., None]
    top = padded[v0 + 1, u0 + 1] * (1 - fu) + padded[v0 + 1, u0 + 2] * fu
    low = padded[v0 + 2, u0 + 1] * (1 - fu) + padded[v0 + 2, u0 + 2] * fu
    sampled = top * (1 - fv) + low * fv
    return np.asarray(frame * (1 - sampled[..., 3:]) + sampled[..., :3], np.float64)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.6, 3.1])
@pytest.mark.parametrize("degrees", [0.0, 8.0, -77.0])
@pytest.mark.parametrize("place", [(120.0, 90.0), (3.5, 170.2), (238.0, 1.0)])
def test_it_agrees_with_a_paste_in_float64(
    scale: float, degrees: float, place: tuple[float, float]
) -> None:
    frame, picture = smooth(180, 240, 1), smooth(SIZE, SIZE, 2)
    alpha, matrix = feather(ellipse()), _matrix(scale, degrees, *place)
    expected = _reference(frame, picture, alpha, matrix)
    before = frame.copy()
    region = paste(frame, picture, of_alpha(alpha), matrix)
    assert np.abs(frame - expected).max() <= _LIMIT
    _assert_untouched_outside(before, frame, region)


def _assert_untouched_outside(
    before: NDArray[np.uint8], after: NDArray[np.uint8], region: Region
) -> None:
    inside = np.zeros(before.shape[:2], bool)
    inside[region.y : region.y + region.height, region.x : region.x + region.width] = True
    assert (before[~inside] == after[~inside]).all()


@pytest.mark.parametrize("scale", [3.0, 5.5])
@pytest.mark.parametrize("degrees", [0.0, 12.0, 45.0, -100.0])
@pytest.mark.parametrize("mask", ["full", "ellipse", "off the middle", "ring"])
def test_a_solid_middle_is_copied_where_it_is_one(
    scale: float, degrees: float, mask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is copied must be what blending would give, whatever the mask looks like."""
    full = np.ones((SIZE, SIZE), np.float32)
    shapes = {"full": full, "ellipse": ellipse(), "off the middle": full * 0, "ring": ellipse()}
    shapes["off the middle"][4:40, 20:60] = 1
    shapes["ring"][30:34, 30:34] = 0.5
    frame, picture = smooth(300, 340, 1), smooth(SIZE, SIZE, 2)
    soft, matrix = of_alpha(feather(shapes[mask])), _matrix(scale, degrees, 150, 140)
    there = rows_of(matrix)
    whole = Region(x=0, y=0, width=340, height=300)
    found = module._solid(soft, there, way_back(there), whole)
    assert (found.width * found.height > 0) == (mask != "ring")
    blended = frame.copy()
    paste(frame, picture, soft, matrix)
    monkeypatch.setattr(module, "_WORTH_IT", 10**9)
    paste(blended, picture, soft, matrix)
    assert (frame == blended).all()


@pytest.mark.parametrize("scale", [0.9, 1.7, 3.6])
@pytest.mark.parametrize("degrees", [0.0, 5.0, -7.0])
def test_room_beside_a_level_crop_changes_nothing(
    scale: float, degrees: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there for the warp's speed alone."""
    frame, picture = smooth(260, 300, 1), smooth(SIZE, SIZE, 2)
    soft, matrix = of_alpha(feather(ellipse())), _matrix(scale, degrees, 150, 140)
    without = frame.copy()
    paste(frame, picture, soft, matrix)
    monkeypatch.setattr(module, "_LEVEL", -1)
    paste(without, picture, soft, matrix)
    assert (frame == without).all()


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.02, 6),
    degrees=st.floats(-180, 180),
    x=st.floats(-400, 500),
    y=st.floats(-400, 500),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
)
def test_any_geometry_touches_its_region_alone(
    scale: float, degrees: float, x: float, y: float, height: int, width: int
) -> None:
    frame = smooth(height, width, 3)
    before = frame.copy()
    matrix = _matrix(scale, degrees, x, y)
    soft = of_alpha(feather(np.ones((SIZE, SIZE), np.float32)))
    region = paste(frame, smooth(SIZE, SIZE, 4), soft, matrix)
    _assert_untouched_outside(before, frame, region)
    assert 0 <= region.x <= region.x + region.width <= width
    assert 0 <= region.y <= region.y + region.height <= height
    # What does not show in the crop leaves the frame as it is, inside the region too.
    ys, xs = np.mgrid[:height, :width]
    u = matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2]
    v = matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2]
    outside = (u < -0.6) | (v < -0.6) | (u > SIZE - 0.4) | (v > SIZE - 0.4)
    if scale > 0.5:
        assert (frame[outside] == before[outside]).all()


@pytest.mark.parametrize("scale", [0.1, 0.2, 0.4])
def test_a_crop_that_shrinks_is_averaged(scale: float) -> None:
    rng = np.random.default_rng(5)
    picture = (rng.integers(0, 2, (SIZE, SIZE, 1)) * 255).astype(np.uint8).repeat(3, axis=2)
    frame = np.full((60, 60, 3), 128, np.uint8)
    paste(frame, picture, of_alpha(feather(ellipse())), _matrix(scale, 0, 30, 30))
    middle = frame[28:33, 28:33].astype(float)
    assert np.abs(middle - 128).mean() < 128 * scale * 1.3
    assert (frame != 128).any()


def test_a_shrunk_crop_stays_in_its_place() -> None:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    frame = np.full((90, 90, 3), 255, np.uint8)
    paste(frame, picture, of_alpha(feather(ellipse())), _matrix(0.3, 0, 41.0, 52.0))
    dark = 255.0 - frame[..., 0]
    ys, xs = np.mgrid[:90, :90]
    assert (dark * xs).sum() / dark.sum() == pytest.approx(41.0, abs=0.1)
    assert (dark * ys).sum() / dark.sum() == pytest.approx(52.0, abs=0.1)


def test_an_empty_mask_changes_nothing() -> None:
    frame = smooth(80, 80, 6)
    before = frame.copy()
    zero = of_alpha(np.zeros((SIZE, SIZE), np.float32))
    region = paste(frame, smooth(SIZE, SIZE, 7), zero, _matrix(1, 0, 40, 40))
    assert (region.width, region.height) == (0, 0)
    assert (frame == before).all()


def test_a_frame_that_is_not_ours_to_write_is_refused() -> None:
    picture, soft = smooth(SIZE, SIZE, 1), of_alpha(feather(ellipse()))
    frozen = smooth(80, 80, 1)
    frozen.flags.writeable = False
    for frame in (frozen, smooth(80, 160, 1)[:, ::2]):
        with pytest.raises(UsageError, match="contiguous, writable uint8"):
            paste(frame, picture, soft, _matrix(1, 0, 40, 40))


def test_a_black_and_white_target_stays_black_and_white() -> None:
    grey = np.repeat(smooth(200, 200, 11)[..., :1], 3, axis=2)
    matrix = _matrix(1.5, 12, 100, 100)
    crop = Crop(picture=cv2.warpAffine(grey, matrix, (SIZE, SIZE)).astype(np.uint8), matrix=matrix)
    frame = grey.copy()
    put_back(frame, crop, smooth(SIZE, SIZE, 12), ellipse())
    assert (frame != grey).any()
    assert np.ptp(frame.astype(int), axis=2).max() == 0


def test_put_back_of_the_target_itself_is_nearly_nothing() -> None:
    frame = smooth(200, 200, 10)
    before = frame.copy()
    matrix = _matrix(1.5, 12, 100, 100)
    crop = Crop(picture=cv2.warpAffine(frame, matrix, (SIZE, SIZE)).astype(np.uint8), matrix=matrix)
    region = put_back(frame, crop, crop.picture, ellipse())
    assert region.width > 0
    assert np.abs(frame.astype(int) - before).max() <= 6
    assert scale_of(inverse(matrix)) == pytest.approx(1.5)


def _crop_of(frame: NDArray[np.uint8], matrix: NDArray[np.float64]) -> Crop:
    picture = cv2.warpAffine(frame, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    return Crop(picture=picture.astype(np.uint8), matrix=matrix)


def _mixed(crop: Crop, face: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What a model with an exact mask gives."""
    exact = crop.picture + (face.astype(np.float64) - crop.picture) * mask[..., None]
    return np.rint(exact).astype(np.uint8)


def _sloping() -> NDArray[np.float32]:
    """An exact mask as models paint them: from nothing over half to all."""
    across = np.clip(np.linspace(-0.5, 1.6, SIZE), 0, 1).astype(np.float32)
    return ellipse() * across[None]


@pytest.mark.parametrize("scale", [0.7, 1.6, 3.1])
@pytest.mark.parametrize("degrees", [0.0, -77.0])
@pytest.mark.parametrize("place", [(120.0, 90.0), (3.5, 170.2)])
def test_an_exact_mask_composites_at_the_size_of_the_frame(
    scale: float, degrees: float, place: tuple[float, float]
) -> None:
    frame, face, mask = smooth(180, 240, 1), smooth(SIZE, SIZE, 2), _sloping()
    matrix = _matrix(scale, degrees, *place)
    crop = _crop_of(frame, matrix)
    fade = _without_border(feather(np.ones_like(mask)))  # the crop's border alone
    part = (fade * mask)[..., None]
    expected = _laid(frame, np.concatenate([face * part, part], axis=2), matrix)
    before = frame.copy()
    region = lay_over(frame, crop, _mixed(crop, face, mask), mask)
    assert np.abs(frame - expected).max() <= _LIMIT + 1  # 8 bits round once more on the way
    _assert_untouched_outside(before, frame, region)


@pytest.mark.parametrize("scale", [0.7, 1.6, 3.1])
def test_where_maskers_see_no_face_an_exact_mask_shows_none(scale: float) -> None:
    frame, face, mask = smooth(180, 240, 1), smooth(SIZE, SIZE, 2), _sloping()
    matrix = _matrix(scale, 20.0, 120.0, 90.0)
    crop = _crop_of(frame, matrix)
    within = np.ones_like(mask)
    within[:, : SIZE // 2] = 0
    within[: SIZE // 4] = 0.5
    shown = _without_border(feather(within))
    part = (shown * mask)[..., None]
    expected = _laid(frame, np.concatenate([face * part, part], axis=2), matrix)
    lay_over(frame, crop, _mixed(crop, face, mask), mask, within)
    assert np.abs(frame - expected).max() <= _LIMIT + 1


@pytest.mark.parametrize("way", [lay_over, put_back])
def test_what_no_masker_takes_for_a_face_is_as_it_was(way: Callable[..., Region]) -> None:
    frame = smooth(200, 200, 16)
    before, crop = frame.copy(), _crop_of(frame, _matrix(1.5, 12, 100, 100))
    way(frame, crop, 255 - crop.picture, ellipse(), np.zeros((SIZE, SIZE), np.float32))
    assert (frame == before).all()


def test_skin_keeps_its_pores_where_an_exact_mask_lets_it_show() -> None:
    rng = np.random.default_rng(14)
    pores = rng.integers(-20, 21, (240, 240, 1))
    frame = np.clip(smooth(240, 240, 13).astype(int) // 2 + 64 + pores, 0, 255).astype(np.uint8)
    matrix = _matrix(3.0, 0, 120, 120)
    crop, face = _crop_of(frame, matrix), smooth(SIZE, SIZE, 15)
    fine: list[float] = []
    for share in (0.0, 0.3, 1.0):
        mask = np.full((SIZE, SIZE), share, np.float32)
        done = frame.copy()
        lay_over(done, crop, _mixed(crop, face, mask), mask)
        middle = done[80:160, 80:160].astype(np.float32)
        fine.append(float((middle - cv2.GaussianBlur(middle, (0, 0), 2)).std()))
    assert fine[1] == pytest.approx(0.7 * fine[0], rel=0.1)
    assert fine[2] < 0.3 * fine[0]


def test_a_closed_exact_mask_leaves_every_pixel_as_it_was() -> None:
    frame = smooth(200, 200, 16)
    before = frame.copy()
    crop = _crop_of(frame, _matrix(1.5, 12, 100, 100))
    region = lay_over(frame, crop, crop.picture, np.zeros((SIZE, SIZE), np.float32))
    assert (region.width, region.height) == (0, 0)
    assert (frame == before).all()
