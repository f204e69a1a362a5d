"""Pictures of a report: large enough for the label, and the label in them."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.provenance.label import INK_SHARE, default_language, plan_label
from quantize.report_pictures import SIDE, data_uri, labelled, worst_picture


def _ink(width: int, height: int) -> tuple[slice, slice]:
    """Where the label's ink lies when nothing is in its way."""
    ink = plan_label(width, height, [], default_language()).ink
    return slice(ink.y, ink.y + ink.height), slice(ink.x, ink.x + ink.width)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_the_label_is_in_the_picture(value: int) -> None:
    plain = np.full((128, 128, 3), value, np.uint8)
    large = labelled(plain)
    assert large.shape == (SIDE, SIDE, 3)
    rows, columns = _ink(SIDE, SIDE)
    inked = large[rows, columns]
    assert inked.max() > 200  # the words are white
    assert rows.stop - rows.start >= INK_SHARE * SIDE
    assert (plain == value).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 900), st.floats(1, 3), st.booleans())
def test_every_common_shape_gets_a_label(short: int, proportion: float, upright: bool) -> None:
    long = round(short * proportion)
    shape = (long, short, 3) if upright else (short, long, 3)
    large = labelled(np.zeros(shape, np.uint8))
    assert min(large.shape[:2]) >= SIDE
    assert large.any()


@pytest.mark.parametrize("shape", [(3000, 1, 3), (1, 3000, 3), (2000, 2000, 3), (1, 1, 3)])
def test_no_picture_blows_up_the_page(shape: tuple[int, int, int]) -> None:
    large = labelled(np.zeros(shape, np.uint8))
    assert SIDE <= min(large.shape[:2]) <= max(large.shape[:2]) <= 2 * SIDE
    assert large.any()


def test_worst_picture_scales_its_heat_to_the_largest_difference() -> None:
    wanted = np.full((1, 3, 64, 64), 0.5, np.float32)
    got = wanted.copy()
    got[0, 1, :32] += 0.2
    worst = worst_picture(got, wanted, sample="one", psnr=30.0, show_swap=True)
    assert worst.scale == pytest.approx(0.2)
    top, bottom = worst.heat[60, 190].astype(int), worst.heat[250, 190].astype(int)
    assert top.sum() > 400 > 100 > bottom.sum()
    assert worst.picture is not None
    assert worst.reference is not None
    assert worst.picture[60, 190].tolist() != worst.reference[60, 190].tolist()


def test_equal_pictures_are_dark_and_not_amplified_noise() -> None:
    same = np.full((1, 3, 64, 64), 0.5, np.float32)
    worst = worst_picture(same + np.float32(1e-6), same, sample="one", psnr=99.0, show_swap=False)
    assert worst.scale == pytest.approx(1 / 255)
    assert worst.heat[100, 100].max() < 20
    assert worst.picture is None
    assert worst.reference is None


def test_channels_are_turned_for_the_file() -> None:
    red = np.zeros((1, 3, 64, 64), np.float32)
    red[:, 0] = 1
    worst = worst_picture(red, red, sample="one", psnr=99.0, show_swap=True)
    assert worst.picture is not None
    assert worst.picture[100, 100].tolist() == [0, 0, 255]


def test_data_uri_is_a_jpeg_of_the_picture() -> None:
    picture = labelled(np.full((64, 64, 3), 90, np.uint8))
    head, _, body = data_uri(picture).partition(",")
    assert head == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(body), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < 4
