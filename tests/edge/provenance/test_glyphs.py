from __future__ import annotations

import numpy as np
import pytest

from edge.provenance.glyphs import PLATE_OPACITY, TEXTS, stamp, text_of
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, LabelLanguage, LabelStyle


def test_every_language_has_words_that_name_ai() -> None:
    assert set(TEXTS) == set(LABEL_LANGUAGES)
    assert all("AI" in text for text in TEXTS.values())


@pytest.mark.parametrize("language", LABEL_LANGUAGES)
def test_every_style_names_ai(language: LabelLanguage) -> None:
    assert text_of(language, "words") == TEXTS[language]
    icon = text_of(language, "eu-icon")
    assert icon.startswith("AI")
    assert "MODIFIED" in icon or "AI合成" in icon


@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize("style", LABEL_STYLES)
@pytest.mark.parametrize("height", [20, 34, 102])
def test_a_stamp_follows_from_its_height_alone(
    language: LabelLanguage, style: LabelStyle, height: int
) -> None:
    first = stamp(language, height, style)
    stamp.cache_clear()
    again = stamp(language, height, style)
    assert first.keep.shape == first.add.shape == (height, first.keep.shape[1], 3)
    np.testing.assert_array_equal(first.keep, again.keep)
    np.testing.assert_array_equal(first.add, again.add)
    assert not first.keep.flags.writeable
    assert first.tall <= first.ink[3] <= height


@pytest.mark.parametrize("style", LABEL_STYLES)
def test_keep_and_add_never_overflow(style: LabelStyle) -> None:
    drawn = stamp("both", 60, style)
    assert (drawn.keep.astype(int) + drawn.add).max() <= 255


def test_solid_parts_are_white_on_the_plate() -> None:
    drawn = stamp("en", 60)
    assert drawn.add.max() == 255
    middle = drawn.keep[4, drawn.keep.shape[1] // 2]  # plate above the words
    assert middle.tolist() == [round(255 * (1 - PLATE_OPACITY))] * 3


def test_holes_stay_open() -> None:
    # 合 has a box and an e has an eye: filled holes would give clearly more ink
    for language, share in (("zh", 0.19), ("en", 0.24)):
        drawn = stamp(language, 200)
        x, y, w, h = drawn.ink
        ink = drawn.add[y : y + h, x : x + w, 0].mean() / 255
        assert share < ink < share + 0.3


def test_the_same_picture_on_every_opencv() -> None:
    # measured with OpenCV 4.11 and 5.0 on x86-64, where the pixels are the same bit for bit
    drawn = stamp("both", 40)
    assert drawn.add.shape == (40, 266, 3)
    assert drawn.ink == (7, 6, 253, 28)
    assert drawn.tall == 19
    assert drawn.add.mean() == pytest.approx(56.07, abs=0.1)
    assert drawn.keep.mean() == pytest.approx(50.58, abs=0.1)
