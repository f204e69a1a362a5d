"""What a converted file is worth: does it run, how near is it to the float model, how quick is it.

Everything is measured on the written file, in the engine that will run it, against the untouched
float model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.errors import EdgeError
from quantize.contract import ModelContract
from quantize.engine import Engine, Kernels
from quantize.errors import CheckError
from quantize.golden import COUNT
from quantize.metrics import mask_psnr, psnr
from quantize.opened import open_file, runs_with
from quantize.quality import (
    Outputs,
    Runs,
    Scores,
    open_engine,
    picture_of,
    run_all,
    score,
)
from quantize.recognition import crop_embedder
from quantize.samples import Samples
from quantize.settings import Progress
from quantize.timing import Timing, interleaved
from quantize.truth import TruthScores, score_truth

if TYPE_CHECKING:
    from quantize.passes._infra.feeds import Feeds

__all__ = ["Judged", "Latency", "float_outputs", "judge", "measure_latency"]

SELF_TEST_FLOAT = 60.0
"""dB that a written float file must agree with the model in memory."""
SELF_TEST_INTEGER = 30.0
"""dB for an 8-bit one: other kernels round differently, and a wrong one gives some 10 dB."""

_MASK_LESS = 10.0
"""dB that a mask may agree less: behind a steep sigmoid, rounding weighs more than in a picture."""

_ROUNDS, _FEWEST_ROUNDS, _MOST_ROUNDS = 20, 5, 100
_SECONDS_FOR_TIMING, _SECONDS_FOR_MORE = 30.0, 2.0


@dataclass(frozen=True, slots=True)
class Judged:
    """How good a converted file is.

    Attributes:
        scores: against the untouched float model.
        truth: against the truth, where it is known.
        kernels: with which it ran: default, precise, reference, litert.
        agreement: dB between the written file and the model in memory that it was written from; of
            picture or mask, whichever agrees less.
        providers: nodes that ran on each execution provider; empty where the engine does not tell.
        note: what else there is to know of how it was measured; empty when nothing is.
        few: what it gave for the first samples: for the golden vectors of a bundle.
    """

    scores: Scores
    truth: TruthScores | None
    kernels: str
    agreement: float
    providers: Mapping[str, int]
    note: str = ""
    few: tuple[Outputs, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one run takes on this machine, in turns with the untouched float model.

    Attributes:
        original: of the untouched float model.
        this: of the converted file.
        threads: that both used.
    """

    original: Timing
    this: Timing
    threads: int


def with_source(samples: Samples, name: str | None, values: NDArray[np.float32] | None) -> Samples:
    """Return samples for a model from which an input was baked away: with its value put back."""
    if name is None or values is None:
        return samples
    return replace(samples, feeds=tuple({**feeds, name: values} for feeds in samples.feeds))


def float_outputs(
    model: Path, samples: Samples, *, threads: int, progress: Progress
) -> list[dict[str, NDArray[Any]]]:
    """Run the untouched float model on every sample.

    Raises:
        EngineError: ONNX Runtime cannot run it.
    """
    engine = Engine(model, threads=threads)
    found = []
    for number, feeds in enumerate(samples.feeds, start=1):
        found.append(engine.run(feeds))
        progress("float model", number, len(samples.feeds))
    return found


def judge(
    file: Path,
    model: onnx.ModelProto,
    reference: Sequence[Outputs],
    samples: Samples,
    contract: ModelContract,
    *,
    integer: bool,
    kernels: Kernels,
    threads: int,
) -> Judged:
    """Load a written file again, test it, and measure its quality.

    Args:
        file: what was written.
        model: the model in memory that it was written from.
        reference: what the untouched float model gave for every sample.
        samples: the held-out samples.
        contract: of the converted model.
        integer: it is an 8-bit model.
        kernels: those of its target.
        threads: for one run.

    Raises:
        CheckError: it does not run, or computes something else than the model in memory.
    """
    # What ORT format holds was chosen for its own processor; other kernels cannot be asked for.
    baked_in = file.suffix == ".ort" and kernels != "default"
    own: Kernels = "default" if baked_in else kernels
    # One engine after the other: there may not be memory for both.
    expected = open_engine(model, kernels=own, threads=threads).run(samples.feeds[0])
    try:
        candidate = open_file(file, kernels=own, threads=threads)
        outputs = run_all(candidate, samples)
    except EdgeError as error:
        # It lies in a temporary folder of a name by chance, which must not get into a bundle.
        why = str(error).replace(str(file), file.name).removeprefix(f"{file.name}: ")
        raise CheckError(f"the written {file.name} failed its own test: {why}") from error
    least = SELF_TEST_INTEGER if integer else SELF_TEST_FLOAT
    agreement = _agreement(outputs[0], expected, contract, file, least)
    ran, note = runs_with(candidate), ""
    if baked_in:
        stand_in = open_engine(model, kernels=kernels, threads=threads)
        outputs, ran = run_all(stand_in, samples), stand_in.kernels
        note = "quality was measured on the ONNX model that the .ort file was written from"
    elif ran != kernels and isinstance(candidate, Engine):
        note = f"ONNX Runtime does not load it with {kernels} kernels: measured as {ran}"
    embed = crop_embedder(contract, threads=threads)
    truth = None
    if samples.truths is not None:
        truth = score_truth(outputs, reference, samples.truths, contract, embed=embed)
    return Judged(
        scores=score(outputs, reference, contract, embed=embed),
        truth=truth,
        kernels=ran,
        agreement=agreement,
        providers=_providers(candidate, samples.feeds[0]),
        note=note,
        few=tuple(outputs[:COUNT]),
    )


def _agreement(
    output: Outputs, expected: Outputs, contract: ModelContract, file: Path, least: float
) -> float:
    for name, values in output.items():
        if not np.isfinite(values).all():
            raise CheckError(
                f"the written {file.name} failed its own test: output '{name}' holds values that "
                "are no numbers; take another precision"
            )
    picture = psnr(picture_of(output, contract), picture_of(expected, contract))
    mask = mask_psnr(output, expected, contract.mask)
    agreements = [("it", picture, least)]
    if mask is not None:
        agreements.append(("its mask", mask, least - _MASK_LESS))
    for what, decibels, wanted in agreements:
        if decibels < wanted:
            raise CheckError(
                f"the written {file.name} failed its own test: {what} agrees with the model that "
                f"it was written from to {decibels:.1f} dB alone ({wanted:g} are asked for)"
            )
    return min(decibels for _, decibels, _ in agreements)


def _providers(candidate: Runs, feeds: Feeds) -> dict[str, int]:
    return candidate.nodes_per_provider(feeds) if isinstance(candidate, Engine) else {}


def measure_latency(
    original: Path,
    file: Path,
    original_feeds: Feeds,
    feeds: Feeds,
    *,
    kernels: Kernels,
    threads: int,
    progress: Progress,
) -> Latency:
    """Time a converted file in turns with the untouched float model.

    Args:
        original: the untouched float model.
        file: the converted one.
        original_feeds: inputs of the one.
        feeds: inputs of the other.
        kernels: with which the converted one runs.
        threads: for one run; 0 leaves it to the engine.
        progress: told of each round.

    Returns:
        The times of 20 rounds; of fewer, at least 5, where that would take more than half a minute,
        and of up to 100 where that takes no more than two seconds.
    """
    runs: Mapping[str, Runs] = {
        "original": Engine(original, threads=threads),
        "this": open_file(file, kernels=kernels, threads=threads),
    }
    given = {"original": original_feeds, "this": feeds}
    start = time.perf_counter()
    for name, one in runs.items():
        one.run(given[name])
    once = max(time.perf_counter() - start, 1e-6)
    rounds = int(min(_ROUNDS, max(_FEWEST_ROUNDS, _SECONDS_FOR_TIMING / once)))
    rounds = max(rounds, int(min(_MOST_ROUNDS, _SECONDS_FOR_MORE / once)))
    done = 0

    def after_round() -> None:
        nonlocal done
        done += 1
        progress("timing", min(done, rounds), rounds)

    times = interleaved(
        {name: partial(one.run, given[name]) for name, one in runs.items()},
        rounds=rounds,
        after_round=after_round,
    )
    used = threads or len(os.sched_getaffinity(0))
    return Latency(times["original"], times["this"], used)
