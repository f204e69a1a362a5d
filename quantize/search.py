"""The cheapest set of float layers with which a quantized model keeps its quality budget.

1. Everything is quantized and judged on all samples: often that will do.
2. Each layer is ranked on the samples that suffered most (`quantize.sensitivity`).
3. Sets are chosen by the sum of their layers' errors (`quantize.selection`), tried on the chain of
   segments, where exchanging a layer builds and loads nothing, and thinned out there.
4. The winner is made by the quantizer and judged on all samples, with the target's kernels. Where
   it falls short of what the chain promised, the goal is raised by as much and 3 is repeated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.budget import Budget, parse_budget
from quantize.engine import Engine, Kernels
from quantize.errors import SamplesError
from quantize.int8 import Int8Model, stored_small, to_int8
from quantize.int8_choice import choose
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.shapes import model_bytes
from quantize.quality import Outputs, Scores, evaluate, run_all, score
from quantize.recognition import Embed, identity_judge
from quantize.segments import Chain
from quantize.selection import costs_of, errors_of, predicted_psnr, select
from quantize.sensitivity import Layer, Progress, quantizable_chain, ranked, silent

if TYPE_CHECKING:
    from quantize.calibrate import Ranges
    from quantize.contract import ModelContract
    from quantize.recipes import Recipe
    from quantize.samples import Samples

__all__ = ["Budget", "Found", "Trial", "parse_budget", "search"]

TIME_LIMIT = 600.0
"""Seconds after which nothing new is tried."""

_LARGE = 200_000_000  # bytes of a model from which memory is worth more than loading it again
_RANKED_SAMPLES = 4
_ROUNDS = 6  # how often the model may fall short of what the chain promised
_CHAIN_RUNS = 12  # sets that are tried on the chain per round, before thinning out
_HOPELESS = 1.0  # dB below the goal by prediction: not worth a run
_SAFETY = 2.0  # dB above the goal by prediction, when there is no time to try
_HIGHEST = 99.0  # dB
_FINEST = 0.1  # dB between two goals that are told apart


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of float layers that was tried.

    Attributes:
        float_layers: names of the layers that stayed float, the most sensitive first.
        reached: what the worst sample reached, in the budget's unit.
        psnr: dB of the worst sample.
        measured: on the "model" that the quantizer made, with all samples; or on the "chain" of
            segments, with the hardest samples.
        met: whether that meets the budget.
        seconds: since the search began.
    """

    float_layers: tuple[str, ...]
    reached: float
    psnr: float
    measured: Literal["model", "chain"]
    met: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        int8: the cheapest model that meets the budget; the nearest when none does.
        scores: its quality on all samples.
        layers: all quantizable layers, the most sensitive first.
        met: whether the budget is met, with at least one layer quantized.
        tried: every trial, in order.
    """

    int8: Int8Model
    scores: Scores
    layers: tuple[Layer, ...]
    met: bool
    tried: tuple[Trial, ...]


def search(
    model: onnx.ModelProto,
    ranges: Ranges,
    recipe: Recipe,
    samples: Samples,
    contract: ModelContract,
    budget: Budget,
    *,
    kernels: Kernels = "default",
    threads: int = 1,
    progress: Progress = silent,
    time_limit: float = TIME_LIMIT,
    embed: Embed | None = None,
) -> Found:
    """Find the cheapest set of float layers that meets a budget on the worst sample.

    Args:
        model: the float model; its nodes are named. It is not changed.
        ranges: of its values, from one calibration.
        recipe: how layers are quantized, and which.
        samples: held-out; all of them judge, the hardest rank.
        contract: what the model gives.
        budget: what the worst sample must reach.
        kernels: with which quantized models run; those of the target.
        threads: that the engine uses.
        progress: told of each layer and trial.
        time_limit: seconds after which the best so far is returned.
        embed: the recogniser for "identity"; the card's own by default.

    Returns:
        The model, how good it is, the layers, and what was tried. `met` is false when no set with
        a layer left to quantize meets the budget, or when time was up before.

    Raises:
        BudgetError: identity is asked for, and no recogniser is at hand.
        SamplesError: there are no samples.
        QuantizeError: the model cannot be quantized or run.
    """
    if not samples.feeds:
        raise SamplesError("a budget cannot be judged without samples: give at least one")
    if budget.metric == "identity":
        embed = embed or identity_judge(contract, budget, threads=threads)
    job = _Job(model, ranges, recipe, samples, contract, budget, kernels, threads, embed, progress)
    return _Search(job, time.monotonic, time_limit).run()


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked for; see `search`."""

    model: onnx.ModelProto
    ranges: Ranges
    recipe: Recipe
    samples: Samples
    contract: ModelContract
    budget: Budget
    kernels: Kernels
    threads: int
    embed: Embed | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class _Best:
    int8: Int8Model | None  # not kept where the budget is not met: the search goes on
    names: tuple[str, ...]
    scores: Scores
    met: bool
    cost: float

    def before(self, other: _Best, budget: Budget) -> bool:
        """Return whether this one is to be preferred."""
        if self.met != other.met:
            return self.met
        if self.met:
            return self.cost < other.cost
        return budget.reached(self.scores) > budget.reached(other.scores)


def _energy(decibels: float) -> float:
    """Return the mean squared error that a PSNR stands for."""
    return float(10 ** (-decibels / 10))


class _Search:
    """One search: what is known so far, and the clock."""

    def __init__(self, job: _Job, clock: Callable[[], float], time_limit: float) -> None:
        self._job = job
        self._clock = clock
        self._start = clock()
        self._limit = time_limit
        self._tried: list[Trial] = []
        self._best: _Best | None = None
        self._chain: Chain | None = None
        self._layers: tuple[Layer, ...] = ()
        self._costs: NDArray[np.float64] = np.zeros(0)
        self._known: dict[tuple[str, ...], float] = {}
        self._graph = Graph(job.model)
        self._small = stored_small(self._graph, job.recipe)

    def run(self) -> Found:
        job = self._job
        float_engine = Engine(job.model, threads=job.threads)
        self._references: list[Outputs] = list(run_all(float_engine, job.samples))
        del float_engine  # the chain is about to hold the weights once more
        first = self._judge(np.zeros(0, np.bool_))
        order = np.argsort(first.joint)[:_RANKED_SAMPLES]
        self._hardest = [int(index) for index in order]
        self._layers = ranked(
            job.model,
            self._opened(),
            [job.samples.feeds[index] for index in self._hardest],
            job.contract,
            progress=job.progress,
            enough=self._late,
        )
        self._costs = costs_of(self._layers, self._small)
        self._floor = 0.0
        if not job.budget.met(first) and self._layers:
            self._narrow()
        self._chain = None
        best = self._best
        assert best is not None
        int8 = best.int8 or to_int8(job.model, job.ranges, job.recipe, float_layers=best.names)
        return Found(int8, best.scores, self._layers, best.met, tuple(self._tried))

    def _floor_of(self) -> float:
        """Return the worst squared error that 8-bit weights make when no layer is quantized."""
        job = self._job
        chain = self._opened()
        outputs = [chain.run(job.samples.feeds[index]) for index in self._hardest]
        wanted = [self._references[index] for index in self._hardest]
        return _energy(min(score(outputs, wanted, job.contract).joint))

    def _late(self) -> bool:
        return self._clock() - self._start > self._limit

    def _opened(self) -> Chain:
        job = self._job
        if self._chain is None:
            self._chain = quantizable_chain(
                job.model,
                job.ranges,
                job.recipe,
                kernels=job.kernels,
                threads=job.threads,
                progress=job.progress,
            )
        return self._chain

    # Trials

    def _names(self, floats: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(layer.name for layer, kept in zip(self._layers, floats, strict=False) if kept)

    def _note(
        self, names: tuple[str, ...], scores: Scores, measured: Literal["model", "chain"]
    ) -> None:
        budget = self._job.budget
        spent = self._clock() - self._start
        reached = budget.reached(scores)
        met = budget.met(scores)
        self._tried.append(Trial(names, reached, scores.psnr_worst, measured, met, spent))
        self._job.progress(f"searching: {budget.metric} {reached:.4g}", len(self._tried), 0)

    def _judge(self, floats: NDArray[np.bool_]) -> Scores:
        """Make the model with these float layers, judge it on all samples, keep the best."""
        job, names = self._job, self._names(floats)
        if model_bytes(job.model) > _LARGE:
            self._chain = None  # there is not memory for the chain and a whole model beside it
        made = to_int8(job.model, job.ranges, job.recipe, float_layers=names)
        scores = evaluate(
            made.model,
            self._references,
            job.samples,
            job.contract,
            kernels=job.kernels,
            threads=job.threads,
            embed=job.embed,
        )
        self._note(names, scores, "model")
        met = job.budget.met(scores) and bool(made.quantized)
        cost = float(self._costs[floats].sum())
        best = _Best(made if met else None, names, scores, met, cost)
        if self._best is None or best.before(self._best, job.budget):
            self._best = best
        return scores

    def _try(self, floats: NDArray[np.bool_]) -> float:
        """Return what the worst of the hardest samples reaches on the chain."""
        names = self._names(floats)
        if names not in self._known:
            job = self._job
            chain = self._opened()
            exchanged = set(chain.exchangeable) - set(names)
            outputs = [chain.run(job.samples.feeds[index], exchanged) for index in self._hardest]
            wanted = [self._references[index] for index in self._hardest]
            scores = score(outputs, wanted, job.contract, embed=job.embed)
            self._note(names, scores, "chain")
            self._known[names] = job.budget.reached(scores)
        return self._known[names]

    # Choosing

    def _narrow(self) -> None:
        goal = self._job.budget.value
        if self._job.recipe.gemm_weights != "float" or self._small:
            self._floor = self._floor_of()
        for _ in range(_ROUNDS):
            floats = self._cheapest(goal)
            scores = self._judge(floats)
            if self._job.budget.met(scores) or self._late() or (~floats).sum() <= 1:
                return
            worst = int(np.argmin(scores.joint))
            if worst in self._hardest:
                goal = self._raised(goal, self._names(floats), scores)
            else:
                self._include(worst)

    def _include(self, sample: int) -> None:
        """Rank the layers on one more sample: with other layers float, another one is hardest."""
        job = self._job
        more = ranked(
            job.model,
            self._opened(),
            [job.samples.feeds[sample]],
            job.contract,
            progress=job.progress,
        )
        added = {layer.name: layer.psnr for layer in more}
        layers = [
            replace(
                layer,
                psnr=min(layer.psnr, added[layer.name]),
                psnrs=(*layer.psnrs, added[layer.name]),
            )
            for layer in self._layers
        ]
        self._layers = tuple(sorted(layers, key=lambda layer: layer.psnr))
        self._costs = costs_of(self._layers, self._small)
        self._hardest.append(sample)
        self._known.clear()

    def _raised(self, goal: float, names: tuple[str, ...], scores: Scores) -> float:
        """Return what the chain must reach so that the model reaches the budget."""
        budget = self._job.budget
        reached, promised = budget.reached(scores), self._known.get(names)
        if promised is None:
            return goal + budget.value - reached
        if budget.metric != "psnr":
            # The hardest samples are those by decibels: another one may be short of the budget,
            # and the chain then promises more than was asked for. Ask for more than that.
            return budget.tightened(max(goal, promised), reached).value
        # What the model has beyond the chain is one more error, which adds up as they all do.
        left = _energy(budget.value) - (_energy(reached) - _energy(promised))
        if left <= 0:
            return _HIGHEST
        return max(-10 * math.log10(left), goal + _FINEST)

    def _cheapest(self, goal: float) -> NDArray[np.bool_]:
        """Return the cheapest set that reaches a goal on the chain; if none does, the largest.

        When time is up before, the set that should reach it by prediction.
        """
        errors = errors_of(self._layers)
        none = np.zeros(len(self._layers), np.bool_)
        low, high = predicted_psnr(errors, none, self._floor), _HIGHEST
        in_decibels = self._job.budget.metric == "psnr"
        level = min(max(goal if in_decibels else (low + high) / 2, low), high)
        best = self._chosen(errors, goal + _SAFETY if in_decibels and self._late() else high)
        runs = len(self._known)
        while high - low > _FINEST and len(self._known) - runs < _CHAIN_RUNS and not self._late():
            floats = self._chosen(errors, level)
            reached = self._try(floats)
            if reached >= goal:
                best, high = floats, level
            else:
                low = level
            level = (low + high) / 2
            if in_decibels:
                # The prediction is off by about as much for the next set as for this one.
                guess = predicted_psnr(errors, floats, self._floor) + goal - reached
                level = guess if low + _FINEST / 2 < guess < high - _FINEST / 2 else level
        return self._thinned(errors, best, goal)

    def _chosen(self, errors: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
        floats = self._closed(select(errors, self._costs, level, self._floor))
        if floats.all():  # that would be the float model
            floats[int(errors.max(axis=1).argmin())] = False
        return floats

    def _closed(self, floats: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add the layers that the quantizer leaves float together with those of a set."""
        left = choose(self._graph, self._job.recipe, self._names(floats)).left_float
        return np.array([layer.name in left for layer in self._layers], np.bool_)

    def _thinned(
        self, errors: NDArray[np.float64], floats: NDArray[np.bool_], goal: float
    ) -> NDArray[np.bool_]:
        """Quantize again what need not be float, the most expensive layer first."""
        for index in sorted(np.flatnonzero(floats), key=lambda i: -self._costs[i]):
            fewer = floats.copy()
            fewer[index] = False
            fewer = self._closed(fewer)
            hopeful = bool(np.any(floats & ~fewer))
            if self._job.budget.metric == "psnr":
                hopeful &= predicted_psnr(errors, fewer, self._floor) > goal - _HOPELESS
            if hopeful and not self._late() and self._try(fewer) >= goal:
                floats = fewer
        return floats
