from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.selection import costs_of, errors_of, predicted_psnr, select
from quantize.sensitivity import Layer


def layer(psnrs: tuple[float, ...], weight_bytes: int = 4, multiply_adds: int = 1) -> Layer:
    return Layer("n", "Conv", weight_bytes, multiply_adds, min(psnrs), psnrs)


def test_errors_and_prediction_speak_of_the_same_thing() -> None:
    errors = errors_of([layer((40.0, 50.0)), layer((40.0, 60.0))])
    nothing = np.zeros(2, np.bool_)
    assert predicted_psnr(errors, nothing) == pytest.approx(40 - 10 * np.log10(2))
    assert predicted_psnr(errors, np.array([True, False])) == pytest.approx(40.0)
    assert predicted_psnr(errors, np.array([True, True])) > 100


def test_size_and_work_both_cost() -> None:
    light, heavy, busy = costs_of([layer((40,)), layer((40,), 400), layer((40,), 4, 100)])
    assert light < heavy
    assert light < busy
    assert light > 0


def test_size_costs_nothing_where_weights_take_8_bits_either_way() -> None:
    layers = [layer((40,)), replace(layer((40,), 400), name="small"), layer((40,), 400)]
    light, small, heavy = costs_of(layers, {"small"})
    assert small < light < heavy
    assert costs_of(layers)[1] == heavy


def test_nothing_stays_float_where_the_budget_is_met_anyhow() -> None:
    errors = errors_of([layer((60.0,)), layer((60.0,))])
    assert not select(errors, np.ones(2), 45.0).any()


def test_the_dear_and_harmless_layer_is_quantized() -> None:
    errors = errors_of([layer((44.0,)), layer((44.5,)), layer((70.0,))])
    floats = select(errors, np.array([0.1, 0.1, 1.0]), 50.0)
    assert floats.tolist() == [True, True, False]


cases = st.integers(1, 7).flatmap(
    lambda count: st.tuples(
        st.lists(
            st.lists(st.floats(35, 80), min_size=2, max_size=2), min_size=count, max_size=count
        ),
        st.lists(st.floats(0.01, 1), min_size=count, max_size=count),
        st.floats(35, 75),
    )
)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_sets_meet_the_goal_need_every_member_and_cost_little_more_than_the_best(
    case: tuple[list[list[float]], list[float], float],
) -> None:
    psnrs, prices, goal = case
    errors = errors_of([layer(tuple(row)) for row in psnrs])
    costs = np.asarray(prices)
    floats = select(errors, costs, goal)

    def fits(mask: np.ndarray) -> bool:
        return bool(np.all(errors[~mask].sum(axis=0) <= 10 ** (-goal / 10)))

    assert fits(floats)
    for index in np.flatnonzero(floats):
        fewer = floats.copy()
        fewer[index] = False
        assert not fits(fewer)
    every = (np.array(bits) for bits in itertools.product([False, True], repeat=len(costs)))
    best = min(float(costs[mask].sum()) for mask in every if fits(mask))
    assert costs[floats].sum() <= 2 * best + 1e-9
