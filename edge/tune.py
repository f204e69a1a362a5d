"""Which way of running a bundle or a model is the quickest here, and still shows what it should?

Every way that fits this machine is opened with several numbers of threads, and all of them swap the
same crops in turns, so that a machine that warms up slows all alike. A way whose pictures are
farther from the best one's than the bundle's quality report allows is left out, however quick. The
order that comes out is written beside the bundle, with what it was found by.

Large products of matrices run in the same turns: they show the most that the processor does, and
so how far each way is from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.backends import backend_names, missing_reason
from edge.backends.base import CPU_PROVIDER
from edge.bundle.contents import MODELS
from edge.bundle.opening import Bundle, BundledModels, open_bundle
from edge.bundle.tuning import save_tuning
from edge.contracts import Card
from edge.errors import BackendError, UsageError
from edge.machine import this_machine
from edge.power import PowerState, power_changed, read_power
from edge.roofline import Roof
from edge.shelf import INSTALLED, Shelf
from edge.targets import with_options
from edge.threads import ALWAYS
from edge.throttle import ThrottleState, invalid_reason, read_state
from edge.timing import check_rounds
from edge.trials import BEST, LEAST, Told, Trial, Way, tried

__all__ = ["ROUNDS", "Trial", "Tuned", "tune_bundle", "tune_models"]

ROUNDS = 20
"""Rounds that count: fewer leave a median to chance."""

ENGINES = {
    ".onnx": ("ort", "openvino"),
    ".ort": ("ort",),
    ".tflite": ("litert", "tflite"),
    ".mnn": ("mnn",),
    ".ncnn": ("ncnn",),
}
"""Backends that run a kind of file, by its suffix."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found.

    Attributes:
        trials: All of them, the quickest first, those that are left out last.
        order: Names of the ways, the quickest first.
        threads: Best number of threads by the name of a way.
        file: Where it was written; None for models, beside which nothing is.
        roof: What one crop asks for, and what the processor does at most.
    """

    trials: tuple[Trial, ...]
    order: tuple[str, ...]
    threads: dict[str, int]
    file: Path | None
    roof: Roof


def tune_bundle(
    path: Path | str,
    *,
    threads: Sequence[int] = (),
    rounds: int = ROUNDS,
    budget: float | None = None,
    told: Told = lambda done, total: None,
) -> Tuned:
    """Measure every way of running a bundle on this machine, and write down the best order.

    Args:
        path: The bundle.
        threads: Numbers of threads to try; by default 1, 2, 4 and all cores, as far as there are;
            64 at most.
        rounds: Rounds that count.
        budget: PSNR in decibels that the worst picture of a way must have had, by the bundle's
            quality report, when it was built; None takes every way.
        told: Told of the rounds.

    Raises:
        UsageError: The numbers make no sense.
        BundleError: The bundle may not be run here, or no way of it works.
        BackendError: The machine was too hot or short of power: nothing is written.
    """
    counts = _counts(threads, rounds)
    before = read_state(), read_power()
    bundle = open_bundle(path)
    quality = quality_of(bundle)
    shelf = BundledModels(
        str(bundle.path), bundle.folder / MODELS, bundle.cards, bundle.seal, bundle.contents.id
    )
    ways = []
    for fit in bundle.fits:
        variant = fit.variant
        stated = quality.get(Path(bundle.cards[variant.card].file).suffix.lstrip("."), BEST)
        trouble = fit.reason
        if not trouble and budget is not None and stated < budget:
            trouble = f"its worst picture had {stated:.1f} dB when it was built"
        providers = with_options(bundle.contents.target, variant.name, variant.providers)
        ways.append(
            Way(variant.name, variant.card, variant.engine, tuple(providers), stated, trouble)
        )
    timed, left_out, roof = tried(
        str(bundle.path), ways, shelf, counts, bundle.contents.detector, rounds, LEAST, told
    )
    slowed = _slowed(before)
    if slowed:
        raise BackendError(f"{bundle.path}: {slowed}; mend that, and run edge tune again")
    return _written(bundle, timed, left_out, roof)


def tune_models(
    names: Sequence[str],
    *,
    threads: Sequence[int] = (),
    rounds: int = ROUNDS,
    budget: float = LEAST,
    told: Told = lambda done, total: None,
    shelf: Shelf = INSTALLED,
) -> Tuned:
    """Measure every engine that is here with an installed swap model, or with several forms of it.

    Nothing is written: a swap is told its model, engine and threads.

    Args:
        names: Card names. The first one shows what the others are held against.
        threads: As for `tune_bundle`.
        rounds: Rounds that count.
        budget: PSNR in decibels that the pictures of the other files must have to the first one's.
        told: Told of the rounds.
        shelf: Where the models come from.

    Raises:
        UsageError: The numbers make no sense, or the models do not see the same crops.
        CardError: There is no such swap model.
        BundleError: No way of running it works here.
        BackendError: The machine was too hot or short of power.
    """
    counts = _counts(threads, rounds)
    before = read_state(), read_power()
    ways = []
    for name, card in _alike(names, shelf).items():
        for engine in ENGINES.get(Path(card.file).suffix, backend_names()):
            reason = missing_reason(engine, (CPU_PROVIDER,), "0")
            way = engine if len(names) == 1 else f"{name} {engine}"
            stated = BEST if name == names[0] else None
            ways.append(Way(way, name, engine, (CPU_PROVIDER,), stated, reason))
    what = " and ".join(dict.fromkeys(names))
    timed, left_out, roof = tried(what, ways, shelf, counts, "ref_detector", rounds, budget, told)
    slowed = _slowed(before)
    if slowed:
        raise BackendError(f"{what}: {slowed}; mend that, and run edge tune again")
    best = _best(timed)
    counts_of = {way: trial.threads for way, trial in best.items()}
    return Tuned((*timed, *left_out), tuple(best), counts_of, None, roof)


def _alike(names: Sequence[str], shelf: Shelf) -> dict[str, Card]:
    """Return the cards of swap models by name; all of them are shown the same crops.

    Raises:
        UsageError: They do not see the same.
        CardError: There is no such swap model.
    """
    cards = {name: shelf.find(name, "swapper") for name in names}
    first = cards[names[0]]
    for card in cards.values():
        if card.crop == first.crop:
            continue
        sizes = [0 if each.crop is None else each.crop.size for each in (first, card)]
        differ = "{} and {} pixels".format(*sizes) if sizes[0] != sizes[1] else "different kinds"
        raise UsageError(
            f"{first.name} and {card.name}: see crops of {differ}, so their pictures cannot be "
            "compared; tune each alone"
        )
    return cards


def _counts(threads: Sequence[int], rounds: int) -> tuple[int, ...]:
    """Return the numbers of threads to try, checked; and check the number of rounds."""
    check_rounds(rounds)
    cores = this_machine().cores
    most = min(cores, ALWAYS)  # a tuning that states more is left out when it is read
    if not threads:
        return tuple(sorted({count for count in (1, 2, 4, most) if count <= most}))
    wrong = [count for count in threads if not 1 <= count <= most]
    if wrong:
        what = f"the {cores} cores here" if most == cores else f"{most}, the most that is tried"
        raise UsageError(f"threads must lie between 1 and {what}, not {wrong[0]}")
    return tuple(dict.fromkeys(threads))


def _slowed(before: tuple[ThrottleState, PowerState | None]) -> str:
    """Return why what was measured since says nothing of this board; empty where it does."""
    heat, power = before
    return invalid_reason(heat, read_state()) or power_changed(power, read_power())


def quality_of(bundle: Bundle) -> dict[str, float]:
    """Return the worst PSNR of each format when the bundle was built, by suffix, decibels.

    The report is for people, and so may lack anything.
    """
    try:
        report = json.loads((bundle.folder / "quality.json").read_text(encoding="utf-8"))
        found = {
            str(form): float(facts["quality"]["worst"]["psnr"])
            for form, facts in report["formats"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {form: min(value, BEST) for form, value in found.items() if math.isfinite(value)}


def _best(timed: Sequence[Trial]) -> dict[str, Trial]:
    """Return the quickest trial of each way, the quickest way first."""
    best: dict[str, Trial] = {}
    for trial in timed:
        best.setdefault(trial.way, trial)
    return best


def _written(
    bundle: Bundle, timed: Sequence[Trial], left_out: Sequence[Trial], roof: Roof
) -> Tuned:
    best = _best(timed)
    order, threads = tuple(best), {way: trial.threads for way, trial in best.items()}
    engines = {way: trial.engine for way, trial in best.items()}
    cores = {way: trial.cores for way, trial in best.items() if trial.cores}
    trials = (*timed, *left_out)
    evidence: list[dict[str, Any]] = [trial.to_dict() for trial in trials]
    file = save_tuning(
        bundle.path,
        bundle.contents,
        order,
        threads,
        engines=engines,
        cores=cores,
        trials=evidence,
    )
    return Tuned(trials, order, threads, file, roof)
