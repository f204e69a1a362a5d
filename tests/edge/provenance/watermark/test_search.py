from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.provenance.watermark.embed import Watermark
from edge.provenance.watermark.search import search
from tests.edge.provenance.watermark.scenes import ID, textured


def _changed(scale: float, turn: float) -> NDArray[np.float32]:
    frame = textured(800, 600)
    Watermark(ID, 800, 600).draw(frame)
    luma = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    matrix = cv2.getRotationMatrix2D((400, 300), -turn, scale)
    size = (round(800 * scale), round(600 * scale))
    matrix = matrix + np.array([[0, 0, size[0] / 2 - 400], [0, 0, size[1] / 2 - 300]])
    if scale < 1:
        luma = cv2.GaussianBlur(luma, (0, 0), 0.4 / scale)
    return cv2.warpAffine(luma, matrix, size, flags=cv2.INTER_CUBIC).astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 0.77, 1.0, 1.9])
@pytest.mark.parametrize("turn", [-3.0, 0.0, 0.9])
def test_scale_and_turn_are_found(scale: float, turn: float) -> None:
    guesses = search([_changed(scale, turn)], 3)
    # Rounding makes overtones, so a lattice four times as wide may have as many lines.
    right = [guess for guess in guesses if guess.scale == pytest.approx(scale, rel=0.004)]
    assert len(right) == 1
    assert right[0].score > 8
    assert np.degrees(right[0].turn) == pytest.approx(turn, abs=0.2)


def test_a_picture_without_a_mark_has_no_lattice() -> None:
    luma = cv2.cvtColor(textured(800, 600), cv2.COLOR_BGR2GRAY).astype(np.float32)
    guesses = search([luma], 3)
    assert len(guesses) == 3
    assert max(guess.score for guess in guesses) < 9
    assert [guess.score for guess in guesses] == sorted((g.score for g in guesses), reverse=True)
