"""Ways of running a swap model, tried in turns: the same crops, the same rounds.

All are opened with several numbers of threads. A way whose pictures are farther from the best one's
than can be asked for is left out, however quick. Large products of matrices run in the same rounds:
they show the most that the processor does, and so how far each way is from it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edge import resources
from edge.affinity import fast_cores, pinned
from edge.errors import BackendError, BundleError, ModelError, NoFaceError
from edge.faces.align import align_to
from edge.faces.detect import open_detector
from edge.media.image import read_picture
from edge.roofline import Roof, raise_roof
from edge.swapmodel import SwapModel, open_swap_model
from edge.timing import Timing, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.faces.detect import Detector
    from edge.records import Crop, Face
    from edge.shelf import Shelf
    from edge.swapmodel import Source

__all__ = [
    "BEST",
    "LEAST",
    "Told",
    "Trial",
    "Turns",
    "Way",
    "expected_psnr",
    "psnr",
    "sample_of",
    "source_for",
    "tried",
]

BEST = 99.0
"""Decibels that stand for equal pictures, as in quality reports."""

LEAST = 40.0
"""Decibels that another file's pictures must be near to the first one's, where no report tells."""

SLACK = 3.0
"""Decibels by which a way may be farther from the best one than both files' own errors explain."""

SETTLE = 0.02
"""Seconds before each run: ncnn's threads (OpenMP's) and others go on turning for some 10 ms after
their work, and would hold up whoever comes next."""

QUICK = 0.1
"""Seconds from which a model takes no notice of what lay in the caches before it."""

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
        cores: That they stayed on; empty where they might go anywhere.
        timing: Wall time of one crop; None where it was not run to the end.
        decibels: PSNR of its worst picture to the best way's, 99 where they are equal.
        trouble: Why it is left out; empty where it is not.
        gops: Thousand million operations a second, by its quickest round; None where they were not
            counted.
        peak: The same of large products with as many threads, in the same rounds.
    """

    way: str
    engine: str = ""
    threads: int = 0
    cores: tuple[int, ...] = ()
    timing: Timing | None = None
    decibels: float | None = None
    trouble: str = ""
    gops: float | None = None
    peak: float | None = None

    @property
    def share(self) -> float | None:
        """How much of the peak it reaches, 0 to 1; more where it does with fewer operations."""
        return self.gops / self.peak if self.gops is not None and self.peak else None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form; whole numbers and text, as every record of ours."""
        shown: dict[str, object] = {"way": self.way, "threads": self.threads}
        if self.cores:
            shown["cores"] = ",".join(map(str, self.cores))
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
        if self.gops is not None and self.peak is not None:
            shown |= {"gops": round(self.gops), "peak_gops": round(self.peak)}
        if self.trouble:
            shown["trouble"] = self.trouble
        return shown


@dataclass(frozen=True, slots=True)
class Way:
    """A way of running the swap model, not yet open.

    Attributes:
        name: Of it.
        card: Of the swap model's file.
        engine: Backend.
        providers: Execution providers.
        stated: PSNR of its worst picture by a report, decibels; None where none speaks of it.
        trouble: Why it does not fit; empty where it does.
    """

    name: str
    card: str
    engine: str
    providers: tuple[Any, ...]
    stated: float | None
    trouble: str


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A way that is open with some threads."""

    trial: Trial
    model: SwapModel
    stated: float | None


def tried(
    what: str,
    ways: Sequence[Way],
    shelf: Shelf,
    counts: Sequence[int],
    detector_name: str,
    rounds: int,
    least: float,
    told: Told,
) -> tuple[list[Trial], list[Trial], Roof]:
    """Return the trials that were timed, quickest first, those that are left out, and the roof."""
    opened, left_out = _opened(ways, shelf, counts)
    if not opened:
        raise _nothing_works(what, left_out)
    frame, faces, detector = sample_of(detector_name, shelf)
    crops = [opened[0].model.align(frame, face) for face in faces]
    source = source_for(opened[0].model, detector)
    good, bad = _compared(opened, crops, source, least)
    if not good:
        raise _nothing_works(what, bad)
    roof = raise_roof([each.model for each in opened], shelf, [way.trial.threads for way in good])
    timed, roof = _timed(good, crops[0], source, rounds, roof, told)
    return timed, [*bad, *left_out], roof


def _nothing_works(what: str, left_out: Sequence[Trial]) -> BundleError:
    reasons = "; ".join(dict.fromkeys(f"{each.way}: {each.trouble}" for each in left_out))
    return BundleError(f"{what}: no way of running it works here: {reasons}")


def _opened(
    ways: Sequence[Way], shelf: Shelf, counts: Sequence[int]
) -> tuple[list[_Open], list[Trial]]:
    """Open every way that fits with every number of threads, best quality first."""
    found: list[_Open] = []
    left_out: list[Trial] = []
    fast = fast_cores()
    places = ((), fast) if fast else ((),)
    for way in ways:
        trouble = way.trouble
        try:
            if not trouble:
                found += [
                    _open(way, shelf, count, cores)
                    for count in counts
                    for cores in places
                    if not cores or count <= len(cores)
                ]
        except (BackendError, ModelError) as error:
            trouble = str(error)
            found = [each for each in found if each.trial.way != way.name]
        if trouble:
            left_out.append(Trial(way.name, trouble=trouble))
    return sorted(found, key=lambda each: -(each.stated or 0)), left_out


def _open(way: Way, shelf: Shelf, threads: int, cores: tuple[int, ...]) -> _Open:
    with pinned(cores):  # the engine's threads start here, and stay where they did
        model = open_swap_model(
            way.card, backend=way.engine, providers=way.providers, threads=threads, shelf=shelf
        )
    engine = f"{model.use.backend} {model.use.engine_version}"
    return _Open(Trial(way.name, engine, threads, cores), model, way.stated)


def sample_of(
    detector_name: str, shelf: Shelf
) -> tuple[NDArray[np.uint8], tuple[Face, ...], Detector]:
    """Return a sample of nobody: uint8 (H, W, 3) BGR, faces in it to swap, and who found them.

    Args:
        detector_name: Of the card of a detector.
        shelf: Where its file lies.

    Raises:
        NoFaceError: It finds no face in any sample.
    """
    detector = open_detector(detector_name, shelf=shelf)
    for path in sorted(resources.samples_dir().glob("sample-*.jpg")):
        frame = read_picture(path).frame
        faces = detector.detect(frame)
        if faces:
            return frame, faces[:_MOST_CROPS], detector
    raise NoFaceError(f"{detector_name} finds no face in the sample pictures")


def source_for(model: SwapModel, detector: Detector) -> Source:
    """Return somebody who is nobody to swap in, as the model takes it.

    Args:
        model: Any; None is returned for one in which an identity is baked.
        detector: Finds the face where the model takes a picture.
    """
    spec = model.card.source
    if spec is None or spec.kind == "baked":
        return None
    if spec.kind == "picture" and spec.crop is not None:
        frame = read_picture(resources.samples_dir() / "source-1.jpg").frame
        return align_to(frame, detector.detect(frame)[0], spec.crop).picture
    vector = np.random.default_rng(5).standard_normal(spec.length).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _compared(
    opened: Sequence[_Open], crops: Sequence[Crop], source: Source, least_unknown: float
) -> tuple[list[_Open], list[Trial]]:
    """Hold the pictures of all against those of the best, the first that gives any."""
    best: _Open | None = None
    wanted: list[NDArray[np.uint8]] = []
    good, bad = [], []
    for each in opened:
        try:
            given = [each.model._swap_crop(crop, source)[0] for crop in crops]
        except (BackendError, ModelError) as error:
            bad.append(replace(each.trial, trouble=str(error)))
            continue
        if best is None:
            best, wanted = each, given
        worst = min(psnr(one, other) for one, other in zip(given, wanted, strict=True))
        least = least_unknown
        if best.stated is not None and each.stated is not None:
            least = expected_psnr(best.stated, each.stated) - SLACK
        trial = replace(each.trial, decibels=worst)
        if worst < least:
            trouble = (
                f"its pictures are {worst:.1f} dB from those of {best.trial.way}, "
                f"where {least:.1f} can be asked for"
            )
            bad.append(replace(trial, trouble=trouble))
        else:
            good.append(replace(each, trial=trial))
    return good, bad


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures, decibels; 99 for equal ones."""
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return BEST if error == 0 else min(BEST, 10 * math.log10(255.0**2 / error))


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


def _swapped(each: _Open, crop: Crop, source: Source) -> None:
    with pinned(each.trial.cores):
        each.model._swap_crop(crop, source)


class Turns:
    """What comes before each timed run: the others' threads come to rest, then a run for itself.

    So every way is timed as it runs again and again, whatever ran before it.
    """

    def __init__(self, stages: Mapping[str, Callable[[], object]]) -> None:
        """Begin.

        Args:
            stages: What is run in turns, by name.
        """
        self._stages = stages
        self._slow: set[str] = set()

    def before(self, name: str) -> None:
        """Prepare one run."""
        time.sleep(SETTLE)
        if name not in self._slow:
            start = time.perf_counter()
            self._stages[name]()
            if time.perf_counter() - start > QUICK:
                self._slow.add(name)


def _timed(
    good: Sequence[_Open], crop: Crop, source: Source, rounds: int, roof: Roof, told: Told
) -> tuple[list[Trial], Roof]:
    done = 0

    def after_round() -> None:
        nonlocal done
        done += 1
        told(done, rounds)

    stages = {str(place): partial(_swapped, each, crop, source) for place, each in enumerate(good)}
    warm_up = min(3, rounds)
    turns = stages | roof.stages()
    both = measure(
        turns, rounds, warm_up=warm_up, after_round=after_round, before=Turns(turns).before
    )
    timings, roof = both[: len(good)], roof.reached(both[len(good) :])
    found = []
    for each, timing in zip(good, timings, strict=True):
        precision, count = each.model.card.precision, each.trial.threads
        found.append(
            replace(
                each.trial,
                timing=replace(timing, stage=each.trial.way),
                gops=roof.gops(timing),
                peak=roof.peak(precision, count),
            )
        )
    return sorted(found, key=lambda trial: trial.timing.p50 if trial.timing else math.inf), roof
