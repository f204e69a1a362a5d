from __future__ import annotations

import numpy as np
import pytest

from edge.provenance.watermark.pattern import tile_of
from edge.provenance.watermark.receive import SIDE, flattened, folded, halved, straightened
from edge.provenance.watermark.search import Geometry
from tests.edge.provenance.watermark.scenes import ID, textured


def test_folding_adds_up_all_tiles() -> None:
    whole = np.arange(2.5 * SIDE * 3.25 * SIDE, dtype=np.float32).reshape(int(2.5 * SIDE), -1)
    tile = folded(whole)
    assert tile.shape == (SIDE, SIDE)
    assert tile.sum() == pytest.approx(whole.sum(), rel=1e-5)
    assert tile[5, 7] == pytest.approx(whole[5::SIDE, 7::SIDE].sum(), rel=1e-5)


@pytest.mark.parametrize(("shape", "half"), [((9, 7), (4, 3)), ((8, 6), (4, 3)), ((1, 1), (1, 1))])
def test_halving_drops_what_is_odd(shape: tuple[int, int], half: tuple[int, int]) -> None:
    assert halved(np.full(shape, 7, np.uint8)).shape == half


def test_flattening_takes_the_picture_away_and_keeps_the_mark() -> None:
    mark = np.tile(tile_of(ID), (3, 3))
    luma = textured(576, 576)[..., 1]
    samples = halved(np.clip(luma + 3 * mark, 0, 255).astype(np.uint8))
    small = halved((mark * 20 + 128).astype(np.uint8)) - 128
    before = np.corrcoef(samples.ravel(), small.ravel())[0, 1]
    after = np.corrcoef(flattened(samples).ravel(), small.ravel())[0, 1]
    assert after > 3 * abs(before)


def test_straightening_undoes_scale_and_turn() -> None:
    luma = textured(400, 300)[..., 0].astype(np.float32)
    same = straightened(luma, Geometry(1.0, 0.0))
    assert same.shape == (150, 200)
    turned = straightened(luma, Geometry(0.5, np.radians(3)))
    assert turned.shape[0] > 300
    assert (turned == 0).mean() > 0.02  # the corners, where there is no picture
