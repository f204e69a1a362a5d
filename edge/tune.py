"""Which way of running a bundle is the quickest here, and still shows what it should?

Every way that fits this machine is opened with several numbers of threads, and all of them swap the
same crops in turns, so that a machine that warms up slows all alike. A way whose pictures are
farther from the best one's than the bundle's quality report allows is left out, however quick. The
order that comes out is written beside the bundle, with what it was found by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge import resources
from edge.bench import Timing, measure
from edge.bundle.contents import MODELS
from edge.bundle.opening import Bundle, BundledModels, open_bundle
from edge.bundle.tuning import save_tuning
from edge.errors import BackendError, BundleError, ModelError, NoFaceError, UsageError
from edge.faces.align import align_to
from edge.faces.detect import open_detector
from edge.machine import this_machine
from edge.media.image import read_picture
from edge.swapmodel import SwapModel, open_swap_model
from edge.targets import with_options
from edge.throttle import invalid_reason, read_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.bundle.contents import Variant
    from edge.faces.detect import Detector
    from edge.records import Crop, Face
    from edge.swapmodel import Source

__all__ = ["ROUNDS", "Trial", "Tuned", "tune_bundle"]

ROUNDS = 20
"""Rounds that count: fewer leave a median to chance."""

SLACK = 3.0
"""Decibels by which a way may be farther from the best one than both files' own errors explain."""

_BEST = 99.0  # decibels that stand for equal pictures, as in quality reports
_MOST_CROPS = 2

Told = Callable[[int, int], None]
"""Told how many rounds are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of running the swap model, with one number of threads.

    Attributes:
        way: Name of the variant.
        engine: Backend and version: "ort 1.32.0".
        threads: Of the engine.
        timing: Wall time of one crop; None where it was not run to the end.
        decibels: PSNR of its worst picture to the best way's, 99 where they are equal.
        trouble: Why it is left out; empty where it is not.
    """

    way: str
    engine: str = ""
    threads: int = 0
    timing: Timing | None = None
    decibels: float | None = None
    trouble: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form; whole numbers and text, as every record of ours."""
        shown: dict[str, object] = {"way": self.way, "threads": self.threads}
        if self.engine:
            shown["engine"] = self.engine
        if self.timing is not None:
            shown |= {
                "rounds": self.timing.rounds,
                "p50_us": round(self.timing.p50 * 1e3),
                "quickest_us": round(self.timing.quickest * 1e3),
            }
        if self.decibels is not None:
            shown["psnr"] = f"{self.decibels:.1f}"
        if self.trouble:
            shown["trouble"] = self.trouble
        return shown


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found.

    Attributes:
        trials: All of them, the quickest first, those that are left out last.
        order: Names of the ways, the quickest first.
        threads: Best number of threads by the name of a way.
        file: Where it was written.
    """

    trials: tuple[Trial, ...]
    order: tuple[str, ...]
    threads: dict[str, int]
    file: Path


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A way that is open with some threads."""

    trial: Trial
    model: SwapModel


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
        threads: Numbers of threads to try; by default 1, 2, 4 and all cores, as far as there are.
        rounds: Rounds that count.
        budget: PSNR in decibels that the worst picture of a way must have had, by the bundle's
            quality report, when it was built; None takes every way.
        told: Told of the rounds.

    Raises:
        UsageError: The numbers make no sense.
        BundleError: The bundle may not be run here, or no way of it works.
        BackendError: The machine was too hot or short of power: nothing is written.
    """
    counts = _counts(threads)
    if rounds < 1:
        raise UsageError(f"rounds must be 1 or more, not {rounds}")
    before = read_state()
    bundle = open_bundle(path)
    quality = quality_of(bundle)
    shelf = BundledModels(
        str(bundle.path), bundle.folder / MODELS, bundle.cards, bundle.seal, bundle.contents.id
    )
    opened, left_out = _opened(bundle, shelf, counts, quality, budget)
    if not opened:
        reasons = "; ".join(f"{each.way}: {each.trouble}" for each in left_out)
        raise BundleError(f"{bundle.path}: no way of running it works here: {reasons}")
    frame, faces, detector = _sample(bundle, shelf)
    crops = [opened[0].model.align(frame, face) for face in faces]
    source = _source(opened[0].model, shelf, detector)
    good, bad = _compared(opened, crops, source, quality)
    timed = _timed(good, crops[0], source, rounds, told)
    slowed = invalid_reason(before, read_state())
    if slowed:
        raise BackendError(f"{bundle.path}: {slowed}; mend that, and run edge tune again")
    return _written(bundle, timed, (*bad, *left_out))


def _counts(threads: Sequence[int]) -> tuple[int, ...]:
    cores = this_machine().cores
    if not threads:
        return tuple(sorted({count for count in (1, 2, 4, cores) if count <= cores}))
    wrong = [count for count in threads if not 1 <= count <= cores]
    if wrong:
        raise UsageError(f"threads must lie between 1 and the {cores} cores here, not {wrong[0]}")
    return tuple(dict.fromkeys(threads))


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
    return {form: min(value, _BEST) for form, value in found.items() if math.isfinite(value)}


def _form(bundle: Bundle, variant: Variant) -> str:
    return Path(bundle.cards[variant.card].file).suffix.lstrip(".")


def _opened(
    bundle: Bundle,
    shelf: BundledModels,
    counts: Sequence[int],
    quality: dict[str, float],
    budget: float | None,
) -> tuple[list[_Open], list[Trial]]:
    """Open every way that fits with every number of threads, best quality first."""
    found: list[_Open] = []
    left_out: list[Trial] = []
    for fit in bundle.fits:
        variant = fit.variant
        stated = quality.get(_form(bundle, variant), _BEST)
        trouble = fit.reason
        if not trouble and budget is not None and stated < budget:
            trouble = f"its worst picture had {stated:.1f} dB when it was built"
        try:
            if not trouble:
                found += [_open(bundle, variant, shelf, count) for count in counts]
        except (BackendError, ModelError) as error:
            trouble = str(error)
            found = [each for each in found if each.trial.way != variant.name]
        if trouble:
            left_out.append(Trial(variant.name, trouble=trouble))
    rank = {fit.variant.name: quality.get(_form(bundle, fit.variant), _BEST) for fit in bundle.fits}
    return sorted(found, key=lambda each: -rank[each.trial.way]), left_out


def _open(bundle: Bundle, variant: Variant, shelf: BundledModels, threads: int) -> _Open:
    model = open_swap_model(
        variant.card,
        backend=variant.engine,
        providers=with_options(bundle.contents.target, variant.name, variant.providers),
        threads=threads,
        shelf=shelf,
    )
    engine = f"{model.use.backend} {model.use.engine_version}"
    return _Open(Trial(variant.name, engine, threads), model)


def _sample(
    bundle: Bundle, shelf: BundledModels
) -> tuple[NDArray[np.uint8], tuple[Face, ...], Detector]:
    """Return a picture of nobody with the faces in it that are swapped."""
    detector = open_detector(bundle.contents.detector, shelf=shelf)
    for path in sorted(resources.samples_dir().glob("sample-*.jpg")):
        frame = read_picture(path).frame
        faces = detector.detect(frame)
        if faces:
            return frame, faces[:_MOST_CROPS], detector
    raise NoFaceError("the bundle's detector finds no face in the sample pictures")


def _source(model: SwapModel, shelf: BundledModels, detector: Detector) -> Source:
    """Return somebody who is nobody to swap in, as the model takes it."""
    spec = model.card.source
    if spec is None or spec.kind == "baked":
        return None
    if spec.kind == "picture" and spec.crop is not None:
        frame = read_picture(resources.samples_dir() / "source-1.jpg").frame
        return align_to(frame, detector.detect(frame)[0], spec.crop).picture
    vector = np.random.default_rng(5).standard_normal(512).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _compared(
    opened: Sequence[_Open], crops: Sequence[Crop], source: Source, quality: dict[str, float]
) -> tuple[list[_Open], list[Trial]]:
    """Hold the pictures of all against those of the best, which comes first."""
    best = opened[0]
    wanted = [best.model._swap_crop(crop, source)[0] for crop in crops]
    good, bad = [], []
    for each in opened:
        try:
            given = [each.model._swap_crop(crop, source)[0] for crop in crops]
        except BackendError as error:
            bad.append(replace(each.trial, trouble=str(error)))
            continue
        worst = min(psnr(one, other) for one, other in zip(given, wanted, strict=True))
        least = expected_psnr(_stated(best, quality), _stated(each, quality)) - SLACK
        trial = replace(each.trial, decibels=worst)
        if worst < least:
            trouble = (
                f"its pictures are {worst:.1f} dB from those of {best.trial.way}, "
                f"where {least:.1f} can be asked for"
            )
            bad.append(replace(trial, trouble=trouble))
        else:
            good.append(_Open(trial, each.model))
    return good, bad


def _stated(each: _Open, quality: dict[str, float]) -> float:
    return quality.get(Path(each.model.card.file).suffix.lstrip("."), _BEST)


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures, decibels; 99 for equal ones."""
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return _BEST if error == 0 else min(_BEST, 10 * math.log10(255.0**2 / error))


def expected_psnr(first: float, second: float) -> float:
    """Return how near two files are to each other, by how near each is to the float model.

    Their errors are taken as independent, so that the squares add up.

    Args:
        first: Decibels.
        second: Decibels.
    """
    # Pictures of whole numbers are half a step off in the mean square of 1/12: 59 dB.
    error = sum(10 ** (-value / 10) for value in (first, second)) + 2 / 12 / 255.0**2
    return -10 * math.log10(error)


def _timed(
    good: Sequence[_Open], crop: Crop, source: Source, rounds: int, told: Told
) -> list[Trial]:
    done = 0

    def after_round() -> None:
        nonlocal done
        done += 1
        told(done, rounds)

    stages = {
        str(place): partial(each.model._swap_crop, crop, source) for place, each in enumerate(good)
    }
    timings = measure(stages, rounds, warm_up=min(3, rounds), after_round=after_round)
    found = [
        replace(each.trial, timing=replace(timing, stage=each.trial.way))
        for each, timing in zip(good, timings, strict=True)
    ]
    return sorted(found, key=lambda trial: trial.timing.p50 if trial.timing else math.inf)


def _written(bundle: Bundle, timed: Sequence[Trial], left_out: Sequence[Trial]) -> Tuned:
    threads: dict[str, int] = {}
    engines: dict[str, str] = {}
    for trial in timed:
        threads.setdefault(trial.way, trial.threads)
        engines.setdefault(trial.way, trial.engine)
    order = tuple(threads)
    trials = (*timed, *left_out)
    evidence: list[dict[str, Any]] = [trial.to_dict() for trial in trials]
    file = save_tuning(
        bundle.path, bundle.contents, order, threads, engines=engines, trials=evidence
    )
    return Tuned(trials, order, threads, file)
