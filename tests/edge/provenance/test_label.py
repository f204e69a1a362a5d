from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import LabelError
from edge.provenance.glyphs import em_for, stamp
from edge.provenance.label import INK_SHARE, MIN_INK, Label, default_language, plan_label
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, LabelLanguage, LabelStyle, Region

SIZES = [(1920, 1080), (1080, 1920), (640, 360), (256, 256), (3000, 200)]


def _background(name: str, width: int, height: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    if name == "photograph":
        data = pytest.importorskip("skimage.data")
        picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
        return np.asarray(cv2.resize(picture, (width, height)), np.uint8)
    if name == "noise":
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    value = {"white": 255, "black": 0, "grey": 118}[name]
    return np.full((height, width, 3), value, np.uint8)


def _luminance(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """WCAG relative luminance of (..., 3) BGR."""
    value = pixels.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.0722, 0.7152, 0.2126]))


@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize(("width", "height"), [*SIZES, (220, 200), (721, 407)])
def test_the_icon_is_never_less_than_the_words(
    language: LabelLanguage, width: int, height: int
) -> None:
    words = plan_label(width, height, [], language)
    icon = plan_label(width, height, [], language, "eu-icon")
    assert "AI" in icon.text
    assert icon.style == "eu-icon"
    assert em_for(language, "eu-icon", icon.region.height) >= em_for(
        language, "words", words.region.height
    )
    assert icon.ink.height > words.ink.height
    assert icon.region.width * icon.region.height > words.region.width * words.region.height
    frame = np.full((height, width, 3), 128, np.uint8)
    Label(icon).draw(frame)
    ink = icon.ink
    inside = frame[ink.y : ink.y + ink.height, ink.x : ink.x + ink.width, 0]
    # The icon comes first: a light tile, and in its middle row the dark letters A and I.
    row = inside[ink.height // 2, : int(ink.height * 1.4)]
    edges = np.diff((row > 128).astype(int))
    assert row[0] > 200
    assert np.count_nonzero(edges == -1) >= 3


@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_measured_ink_is_high_enough(language: LabelLanguage, width: int, height: int) -> None:
    frame = np.zeros((height, width, 3), np.uint8)
    place = plan_label(width, height, [], language)
    Label(place).draw(frame)
    rows = np.flatnonzero(frame.max(axis=(1, 2)) >= 230)
    measured = int(rows[-1] - rows[0] + 1)
    assert measured >= max(MIN_INK, INK_SHARE * min(width, height))
    assert measured == place.ink.height
    # and so is the lowest capital on its own, which is the first glyph
    first = frame[:, place.ink.x : place.ink.x + place.ink.height // 2]
    capital = np.flatnonzero(first.max(axis=(1, 2)) >= 230)
    assert capital[-1] - capital[0] + 1 >= INK_SHARE * min(width, height)


@pytest.mark.parametrize("coded", [False, True], ids=["raw", "jpeg"])
@pytest.mark.parametrize("style", LABEL_STYLES)
@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize("background", ["white", "black", "grey", "noise", "photograph"])
def test_contrast_on_any_background(
    background: str, language: LabelLanguage, style: LabelStyle, *, coded: bool
) -> None:
    frame = _background(background, 640, 480)
    place = plan_label(640, 480, [], language, style)
    Label(place).draw(frame)
    if coded:
        encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
        frame = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    region = place.region
    part = frame[region.y : region.y + region.height, region.x : region.x + region.width]
    drawn = stamp(language, region.height, style)
    ink = drawn.add[:, :, 0] >= 230
    anything = (drawn.add[:, :, 0] > 8).astype(np.uint8)
    ring = cv2.dilate(anything, np.ones((3, 3), np.uint8)).astype(bool) & (anything == 0)
    light, dark = _luminance(part[ink]), _luminance(part[ring])
    contrast = (light.mean() + 0.05) / (dark.mean() + 0.05)
    assert contrast >= 4.5
    if not coded:  # even the worst pair of pixels
        assert (light.min() + 0.05) / (dark.max() + 0.05) >= 4.5


@pytest.mark.parametrize("background", ["white", "noise"])
def test_nothing_outside_the_region_changes(background: str) -> None:
    before = _background(background, 320, 240)
    after = before.copy()
    place = plan_label(320, 240, [], "en")
    Label(place).draw(after)
    region = place.region
    inside = np.zeros((240, 320), bool)
    inside[region.y : region.y + region.height, region.x : region.x + region.width] = True
    np.testing.assert_array_equal(before[~inside], after[~inside])
    assert (before[inside] != after[inside]).any()


def test_a_video_has_the_same_label_in_every_frame() -> None:
    label = Label(plan_label(320, 240, [Region(100, 40, 90, 120)], "zh"))
    drawn = [np.zeros((240, 320, 3), np.uint8) for _ in range(3)]
    for frame in drawn:
        label.draw(frame)
    assert all((frame == drawn[0]).all() for frame in drawn)


@pytest.mark.parametrize(
    ("faces", "corner"),
    [
        ([], "bottom-right"),
        ([Region(200, 150, 120, 90)], "bottom-left"),
        ([Region(0, 150, 320, 90)], "top-right"),
        ([Region(0, 150, 320, 90), Region(150, 0, 170, 100)], "top-left"),
        ([Region(-50, -50, 500, 500)], "bottom-right"),
        ([Region(-50, -50, 500, 500), Region(200, 150, 500, 500)], "bottom-left"),
    ],
)
def test_corner_that_covers_least_of_the_faces(faces: list[Region], corner: str) -> None:
    assert plan_label(320, 240, faces, "zh").corner == corner


@pytest.mark.parametrize(("width", "height"), [(1, 1), (9, 2000), (2000, 9), (40, 40), (60, 20)])
@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize("style", LABEL_STYLES)
def test_too_small_is_refused(
    width: int, height: int, language: LabelLanguage, style: LabelStyle
) -> None:
    with pytest.raises(LabelError, match="too small for a legible label"):
        plan_label(width, height, [], language, style)


def test_a_frame_of_another_size_is_refused() -> None:
    label = Label(plan_label(320, 240, [], "zh"))
    for shape in [(120, 160, 3), (2400, 3200, 3)]:
        frame = np.zeros(shape, np.uint8)
        with pytest.raises(LabelError, match="another size"):
            label.draw(frame)
        assert not frame.any()


def test_frames_that_are_not_contiguous_are_drawn_on_too() -> None:
    place = plan_label(320, 240, [], "zh")
    whole = np.zeros((240, 640, 3), np.uint8)
    Label(place).draw(whole[:, ::2])
    straight = np.zeros((240, 320, 3), np.uint8)
    Label(place).draw(straight)
    np.testing.assert_array_equal(whole[:, ::2], straight)
    assert not whole[:, 1::2].any()


regions = st.builds(
    Region,
    st.integers(-200, 2000),
    st.integers(-200, 2000),
    st.integers(0, 2000),
    st.integers(0, 2000),
)


@example(153, 153, [], "both", "words")
@example(154, 154, [], "both", "words")
@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 2200),
    st.integers(1, 2200),
    st.lists(regions, max_size=4),
    st.sampled_from(LABEL_LANGUAGES),
    st.sampled_from(LABEL_STYLES),
)
def test_every_plan_is_inside_legible_and_even(
    width: int, height: int, faces: list[Region], language: LabelLanguage, style: LabelStyle
) -> None:
    try:
        place = plan_label(width, height, faces, language, style)
    except LabelError:
        # A square of 153 is the largest frame that cannot carry the longest label.
        assert min(width, height) <= 153
        return
    region, ink = place.region, place.ink
    assert region.x >= 2
    assert region.y >= 2
    assert region.x + region.width <= width - 2
    assert region.y + region.height <= height - 2
    assert region.x % 2 == region.y % 2 == region.width % 2 == region.height % 2 == 0
    assert region.width * region.height * 3 <= width * height
    assert ink.height >= max(MIN_INK, min(width, height) * INK_SHARE)
    assert region.x <= ink.x
    assert ink.x + ink.width <= region.x + region.width
    frame = np.full((height, width, 3), 200, np.uint8)
    Label(place).draw(frame)
    assert frame[ink.y : ink.y + ink.height, ink.x : ink.x + ink.width].max() == 255


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "de_DE"}, "en"),
        ({"LANG": "C", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN"}, "en"),
    ],
)
def test_language_follows_the_locale(environment: dict[str, str], language: str) -> None:
    assert default_language(environment) == language


def test_there_is_no_switch() -> None:
    # whoever looks for a way to shrink or hide it finds no parameter for that
    names = itertools.chain(plan_label.__annotations__, Label.draw.__annotations__)
    assert set(names) == {
        "width",
        "height",
        "face_regions",
        "language",
        "style",  # none of which is smaller: see above
        "frame",
        "return",
    }
