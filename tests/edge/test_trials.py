from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.trials import expected_psnr, psnr


@given(st.floats(10, 99), st.floats(10, 99))
def test_two_files_are_never_nearer_than_the_worse_one(first: float, second: float) -> None:
    found = expected_psnr(first, second)
    assert found < min(first, second)
    assert found == pytest.approx(expected_psnr(second, first))


def test_psnr() -> None:
    picture = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(picture, picture) == 99
    assert psnr(picture, picture + np.uint8(1)) == pytest.approx(48.13, abs=0.01)
    assert psnr(picture, np.zeros_like(picture)) == pytest.approx(8.13, abs=0.01)
