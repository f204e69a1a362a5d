from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from quantize.errors import BudgetError, SamplesError
from quantize.quality import evaluate
from quantize.samples import drawn_samples
from quantize.search import Found, _Search, parse_budget, search
from tests.quantize.test_sensitivity import case, masked, recipe


def look(topology: str, budget: str, **options: object) -> Found:
    model, contract, ranges, samples = case(topology)
    how = recipe(**options.pop("changes", {}))  # type: ignore[arg-type]
    return search(model, ranges, how, samples, contract, parse_budget(budget), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("topology", ["inswapper", "reference", "hyperswap"])
@pytest.mark.parametrize("more", [1.0, 6.0])
def test_a_budget_is_met_with_as_few_float_layers_as_it_takes(topology: str, more: float) -> None:
    model, contract, _, samples = case(topology)
    kept = model.SerializeToString(deterministic=True)
    everything = look(topology, "psnr:2")
    wanted = everything.scores.psnr_worst + more

    found = look(topology, f"psnr:{wanted}")

    assert model.SerializeToString(deterministic=True) == kept
    assert found.met
    assert found.scores.psnr_worst >= wanted
    assert 0 < len(found.int8.left_float) < len(found.layers)
    again = evaluate(found.int8.model, model, samples, contract)
    assert found.scores.psnr == pytest.approx(again.psnr, abs=0.05)
    assert found.tried[0].float_layers == ()
    assert not found.tried[0].met
    final = [trial for trial in found.tried if trial.measured == "model" and trial.met]
    assert set(found.int8.left_float) in [set(trial.float_layers) for trial in final]


def test_a_budget_holds_the_mask_too() -> None:
    model, contract, ranges, samples = masked()
    everything, found = (
        search(model, ranges, recipe(), samples, contract, parse_budget(budget))
        for budget in ("psnr:2", "psnr:35")
    )
    assert everything.scores.psnr_worst > 35
    assert everything.scores.mask_worst is not None
    assert everything.scores.mask_worst < 20
    assert found.met
    assert found.scores.mask_worst is not None
    assert found.scores.mask_worst >= 20
    assert found.int8.left_float
    assert found.int8.quantized


def test_nothing_stays_float_where_everything_will_do() -> None:
    found = look("reference", "psnr:2")
    assert found.met
    assert found.int8.left_float == ()
    assert len(found.tried) == 1
    assert len(found.layers) == len(found.int8.quantized)  # ranked all the same, for the report


def test_a_budget_out_of_reach_says_how_near_it_came() -> None:
    found = look("reference", "psnr:98")
    everything = found.tried[0]
    assert not found.met
    assert found.int8.quantized
    assert found.scores.psnr_worst > everything.psnr
    assert found.scores.psnr_worst == max(
        trial.psnr for trial in found.tried if trial.measured == "model"
    )


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_likeness_is_a_budget_too(share: float) -> None:
    everything = look("reference", "ssim:0")
    worst = everything.scores.ssim_worst
    wanted = worst + share * (1 - worst)
    found = look("reference", f"ssim:{wanted}")
    assert found.met
    assert found.scores.ssim_worst >= wanted
    assert 0 < len(found.int8.left_float) < len(found.layers)


def test_identity_is_judged_by_the_recogniser() -> None:
    asked: list[tuple[int, ...]] = []

    def embed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(picture.shape)
        # Sees coarse detail only, and magnifies it.
        numbers = (picture - picture.mean()).reshape(-1)[::37]
        return np.asarray(numbers / np.linalg.norm(numbers), np.float32)

    everything = look("reference", "identity:0", embed=embed)
    assert asked
    worst = everything.scores.identity_worst
    assert worst is not None
    found = look("reference", f"identity:{(worst + 1) / 2}", embed=embed)
    assert found.met
    assert found.scores.identity_worst is not None
    assert found.scores.identity_worst >= (worst + 1) / 2
    assert found.int8.left_float


def test_identity_without_a_recogniser_is_refused_before_any_work() -> None:
    with pytest.raises(BudgetError, match="recogniser"):
        look("reference", "identity:0.9", progress=lambda *_: pytest.fail("work was done"))


def test_without_samples_nothing_is_searched() -> None:
    model, contract, ranges, samples = case("reference")
    none = replace(samples, feeds=())
    with pytest.raises(SamplesError, match="at least one"):
        search(model, ranges, recipe(), none, contract, parse_budget("psnr:40"))


def test_when_time_is_up_the_prediction_is_judged_once_and_the_best_returned() -> None:
    full = look("inswapper", "psnr:2").scores.psnr_worst
    found = look("inswapper", f"psnr:{full + 6}", time_limit=0.0)
    assert [trial.measured for trial in found.tried] == ["model", "model"]
    assert found.scores.psnr_worst > full + 3
    assert all(len(layer.psnrs) == 1 for layer in found.layers)  # one sample was ranked


@pytest.mark.parametrize("stage", ["quantizing", "ranking", "searching"])
def test_ctrl_c_leaves_at_once_and_the_model_as_it_was(stage: str) -> None:
    model, *_ = case("reference")
    kept = model.SerializeToString(deterministic=True)

    def stop(name: str, done: int, total: int) -> None:
        if name.startswith(stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look("reference", "psnr:70", progress=stop)
    assert model.SerializeToString(deterministic=True) == kept


@pytest.mark.parametrize(
    ("target", "kernels"), [("raspberry_pi", "precise"), ("x86_cpu", "reference")]
)
def test_other_kernels_judge_as_well(target: str, kernels: str) -> None:
    changes = {"activations": "s8"} if target == "raspberry_pi" else {}
    everything = look("reference", "psnr:2", kernels=kernels, changes=changes)
    wanted = everything.scores.psnr_worst + 3
    found = look("reference", f"psnr:{wanted}", kernels=kernels, changes=changes)
    assert found.met
    assert all(math.isfinite(trial.reached) for trial in found.tried)
    assert [trial.seconds for trial in found.tried] == sorted(t.seconds for t in found.tried)


@pytest.mark.parametrize(
    "changes", [{"gemm_weights": "w8"}, {"float_weights": "w8"}], ids=["gemm", "float"]
)
def test_weights_that_are_8_bit_whatever_stays_float_set_a_floor(changes: dict[str, str]) -> None:
    everything = look("reference", "psnr:2", changes=changes)
    wanted = everything.scores.psnr_worst + 3
    found = look("reference", f"psnr:{wanted}", changes=changes)
    assert found.met
    assert 0 < len(found.int8.left_float) < len(found.layers)


def test_a_sample_that_becomes_the_hardest_is_ranked_too() -> None:
    model, contract, ranges, _ = case("inswapper")
    samples = drawn_samples(contract, 8, 5)
    budget = parse_budget("psnr:2")
    everything = search(model, ranges, recipe(), samples, contract, budget)
    budget = parse_budget(f"psnr:{everything.scores.psnr_worst + 8}")
    found = search(model, ranges, recipe(), samples, contract, budget)
    assert found.met
    judged = [trial for trial in found.tried if trial.measured == "model"]
    ranked_on = len(found.layers[0].psnrs)
    assert 4 <= ranked_on <= 4 + len(judged) - 2 + 1
    assert all(len(layer.psnrs) == ranked_on for layer in found.layers)


def test_a_goal_rises_above_what_the_chain_has_promised() -> None:
    """The faces that look least alike need not be those with the fewest decibels."""
    one = object.__new__(_Search)
    job: Any = SimpleNamespace(budget=parse_budget("identity:0.98"))
    one._job = job
    one._known = {(): 0.9855}
    fallen_short: Any = SimpleNamespace(identity_worst=0.979, mask_worst=None)
    assert one._raised(0.98, (), fallen_short) > 0.9855
