"""The Android kit's constants are those of the cards and the code: nothing has drifted."""

from __future__ import annotations

import pytest

from scripts import android_constants


@pytest.mark.parametrize("name", ["kotlin", "cpp"])
def test_committed_file_is_what_is_generated(name: str) -> None:
    path = {"kotlin": android_constants.KOTLIN, "cpp": android_constants.CPP}[name]
    text = {"kotlin": android_constants.kotlin, "cpp": android_constants.cpp}[name]()
    found = path.read_text(encoding="utf-8")
    assert found == text, "run python scripts/android_constants.py"


def test_holds_what_the_kit_must_share() -> None:
    text = android_constants.kotlin()
    for word in ("edge-swap/bundle-1", "AI合成", "arcface_128", "USE_FP16", "org.edge-swap.swap"):
        assert word in text
    assert '"ref_swapper"' in android_constants.cpp()
