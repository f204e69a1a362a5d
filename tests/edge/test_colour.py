from __future__ import annotations

import numpy as np
import pytest

from edge.colour import as_grey_as, match_colour
from edge.softmask import feather, of_alpha
from tests.edge.test_paste import SIZE, ellipse, smooth


def test_a_shift_of_light_leaves_no_seam_and_the_face_keeps_its_own_colours() -> None:
    target = smooth(SIZE * 2, SIZE * 2, 8)
    picture = np.clip(target + np.array([25, -20, 15]), 0, 255).astype(np.uint8)
    picture[60:68, 60:68] = (10, 200, 60)  # a mark that only this face has
    alpha = feather(ellipse(SIZE * 2))
    matched = match_colour(picture, of_alpha(alpha).seam, target)
    rim = (alpha > 0.2) & (alpha < 0.8)
    before = np.abs(picture[rim].astype(int) - target[rim]).mean()
    after = np.abs(matched[rim].astype(int) - target[rim]).mean()
    assert after < 0.3 * before
    middle = np.s_[56:72, 56:72]
    moved = np.abs(matched[middle].astype(int) - picture[middle]).mean()
    assert moved < 0.35 * before


@pytest.mark.parametrize("size", [20, 64, 100, 128, 256])
def test_equal_colours_are_left_alone(size: int) -> None:
    picture = smooth(size, size, 9)
    seam = of_alpha(feather(ellipse(size))).seam
    assert (match_colour(picture, seam, picture) == picture).all()


def test_a_hand_at_the_seam_does_not_dye_the_face() -> None:
    picture = np.full((128, 128, 3), 120, np.uint8)
    target = picture.copy()
    target[:, :30] = 0
    matched = match_colour(picture, of_alpha(feather(ellipse(128))).seam, target)
    assert np.abs(matched.astype(int) - picture).max() <= 48
    assert np.abs(matched[:, 64:].astype(int) - 120).max() <= 6


def test_a_coloured_target_leaves_the_colours() -> None:
    coloured, grey = smooth(SIZE, SIZE, 13), np.repeat(smooth(SIZE, SIZE, 14)[..., :1], 3, axis=2)
    assert as_grey_as(coloured, coloured) is coloured
    assert np.ptp(as_grey_as(grey, coloured).astype(int), axis=2).max() == 0
    corner = grey.copy()
    corner[:4, :4] = (10, 200, 60)
    assert as_grey_as(corner, coloured) is coloured
