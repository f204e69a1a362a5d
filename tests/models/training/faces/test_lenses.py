"""Glass: it darkens, mirrors and shrinks what is behind it, and nothing beside it."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.identity import sample_identity
from models.training.faces.lenses import glaze
from models.training.faces.scene import sample_scene

TURN = np.linspace(0, 2 * np.pi, 41)[:-1]
LENS = np.stack([40 + 15 * np.cos(TURN), 30 + 12 * np.sin(TURN)], -1)
HEAD = replace(sample_identity(1).head, glasses="round", glasses_thick=0.9, glasses_tint=0.0)


def _glazed(tint: float) -> tuple[np.ndarray, np.ndarray]:
    picture, mask = np.full((60, 80, 3), 120, np.float32), np.ones((60, 80), np.float32)
    picture[:, 50:] = 30
    glaze(picture, mask, [LENS], replace(HEAD, glasses_tint=tint), sample_scene(2))
    return picture, mask


def test_sunglasses_are_dark_and_hide_the_face() -> None:
    clear, _ = _glazed(0.0)
    dark, mask = _glazed(0.9)
    assert dark[30, 40].mean() < 0.75 * clear[30, 40].mean()
    assert mask[30, 40] < 0.4
    assert mask[5, 5] == 1.0


def test_strong_glasses_move_an_edge_inward() -> None:
    clear, _ = _glazed(0.0)
    assert clear[30, 49].mean() < 110


def test_nothing_beside_the_glass_changes() -> None:
    picture, _ = _glazed(0.9)
    assert np.all(picture[:, :20] == 120)
    assert np.all(picture[:12] == np.where(np.arange(80) < 50, 120, 30)[None, :, None])
