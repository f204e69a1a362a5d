from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.provenance.watermark.pattern import TILE, data_phases, soft_bits, tile_of, waves
from tests.edge.provenance.watermark.scenes import ID


def test_the_tile_never_changes() -> None:
    """Marks that are in the world must stay readable: this value is for ever."""
    plan = waves()
    numbers: list[NDArray[Any]] = [
        plan.pilots,
        plan.data,
        plan.order,
        plan.signs,
        np.angle(plan.pilot_phases) * 100,
    ]
    told = b"".join(np.round(part).astype(">i4").tobytes() for part in numbers)
    assert hashlib.sha256(told).hexdigest() == (
        "3616960d2492e4f86444927a573d22acd0b246c4719c9982216036a85a6e667a"
    )
    start = [-19.51, -17.74, -13.77, -8.42, -2.76, 2.18, 5.63, 7.24]
    np.testing.assert_allclose(tile_of(ID)[0, :8] * 8, start, atol=0.01)


def test_no_wave_lies_on_an_axis_or_twice() -> None:
    plan = waves()
    every = np.concatenate([plan.pilots, plan.data])
    assert len(plan.pilots) == 28
    assert len(plan.data) == 320
    assert len({tuple(wave) for wave in every.tolist()}) == len(every)
    assert np.abs(every).min() >= 2
    assert (every[:, 1] > 0).all()
    assert np.hypot(*every.T).max() < TILE / 2 / 4  # far below what a quarter of the size can hold


@pytest.mark.parametrize("part", ["pilots", "data"])
def test_flips_and_quarter_turns_map_waves_to_waves(part: str) -> None:
    kept = {tuple(wave) for wave in getattr(waves(), part).tolist()}
    for kx, ky in list(kept):
        for x, y in ((-kx, ky), (ky, kx), (-ky, kx)):
            assert (x, y) in kept or (-x, -y) in kept


def test_every_place_of_the_code_word_is_sent_once() -> None:
    assert sorted(waves().order.tolist()) == list(range(640))
    soft = soft_bits(data_phases(ID))
    np.testing.assert_allclose(np.abs(soft), np.sqrt(0.5), rtol=1e-5)


@pytest.mark.parametrize("pixel", [1, 2])
def test_a_tile_is_even_and_says_its_id(pixel: int) -> None:
    one, other = tile_of(ID, pixel), tile_of("fedcba9876543210", pixel)
    assert one.shape == (TILE * pixel, TILE * pixel)
    assert one.dtype == np.float32
    assert abs(float(one.mean())) < 1e-5
    assert float(one.std()) == pytest.approx(1, abs=1e-4)
    assert np.abs(one).max() < 5.3  # fits the pattern's 8 bits
    assert abs(float((one * other).mean())) < 0.4


def test_a_large_tile_is_the_small_one_enlarged() -> None:
    np.testing.assert_allclose(tile_of(ID, 2)[::2, ::2], tile_of(ID), atol=1e-3)
