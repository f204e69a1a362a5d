"""Every style of the wardrobe that has hair is described."""

from __future__ import annotations

from models.training.faces.styles import STYLES
from models.training.faces.wardrobe import COVERINGS, HAIR_STYLES


def test_styles_and_wardrobe_know_the_same_hair() -> None:
    assert set(STYLES) == set(HAIR_STYLES) - set(COVERINGS) - {"bald"}
    for style in STYLES.values():
        assert 0 < style.low <= style.high < 5
        assert style.hangs == (style.top > 40)
