from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.budget import Budget, Metric, parse_budget
from quantize.errors import BudgetError
from quantize.quality import Scores

SCORES = Scores(50, 44.5, 0.99, 0.97, 0.1, 0.01, 0.995, 0, (44.5, 55.5), identity_worst=0.98)


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [("psnr:45", "psnr", 45.0), (" SSIM : 0.99 ", "ssim", 0.99), ("identity:1", "identity", 1.0)],
)
def test_budgets_are_read_as_people_write_them(text: str, metric: str, value: float) -> None:
    budget = parse_budget(text)
    assert (budget.metric, budget.value) == (metric, value)
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize(
    "text",
    [
        *("", "45", "psnr", "psnr:", "psnr:high", "psnr:nan", "psnr:inf", "psnr:0", "psnr:99"),
        *("ssim:1.1", "identity:-0.1", "mse:3", "psnr:45:46", "psnr:4 5"),
    ],
)
def test_what_is_no_budget_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BudgetError) as caught:
        parse_budget(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("budget", "met"),
    [
        (Budget("psnr", 44.5), True),
        (Budget("psnr", 44.6), False),  # the worst sample counts, not the mean
        (Budget("ssim", 0.97), True),
        (Budget("ssim", 0.98), False),
        (Budget("identity", 0.98), True),
        (Budget("identity", 0.99), False),
    ],
)
def test_the_worst_sample_decides(budget: Budget, met: bool) -> None:
    assert budget.met(SCORES) is met


def test_identity_that_nobody_judged_is_not_met() -> None:
    scores = replace(SCORES, identity_cosine=None, identity_worst=None)
    assert math.isnan(Budget("identity", 0.5).reached(scores))
    assert not Budget("identity", 0.5).met(scores)


def test_a_promise_that_was_not_kept_is_asked_for_again_with_more() -> None:
    assert Budget("psnr", 45).tightened(46.0, 44.5).value == pytest.approx(46.6)
    # Twice the error that was promised: half of it is asked for, and a little less than that.
    assert Budget("identity", 0.99).tightened(0.992, 0.984).value == pytest.approx(1 - 0.005 / 1.05)


@given(
    st.sampled_from(["ssim", "identity"]),
    st.floats(0.5, 0.9999),
    st.floats(0, 1),
    st.floats(0.001, 0.5),
)
def test_no_budget_is_raised_out_of_reach(
    metric: Metric, value: float, above: float, below: float
) -> None:
    promised = value + (1 - value) * above
    more = Budget(metric, value).tightened(promised, value - below).value
    assert max(value, min(promised, 0.99999)) < more < 1


def test_a_mask_counts_as_a_picture_that_is_nearer() -> None:
    good, bad = replace(SCORES, mask_psnr=(36.5, 60.0)), replace(SCORES, mask_psnr=(99.0, 6.0))
    assert Budget("psnr", 44.5).met(good)
    assert Budget("psnr", 44.5).held_by(good) == "picture"
    assert Budget("psnr", 40).reached(bad) == 21
    assert Budget("psnr", 40).held_by(bad) == "mask"
    # Wrong by half the range: an eighth lacks to 1.
    metrics: tuple[Metric, ...] = ("ssim", "identity")
    for metric in metrics:
        held = Budget(metric, 0.95)
        assert held.met(good)
        assert held.reached(bad) == pytest.approx(1 - 1 / 8, abs=1e-3)
        assert not held.met(bad)


def test_equal_masks_are_in_the_way_of_nothing() -> None:
    equal = replace(SCORES, ssim_worst=1.0, mask_psnr=(99.0, 99.0))
    assert Budget("ssim", 1.0).met(equal)
    unjudged = replace(equal, identity_worst=None)
    assert math.isnan(Budget("identity", 0.5).reached(unjudged))
