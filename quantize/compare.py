"""Compare: a float model and what was made of it, side by side on this machine."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edge.contracts import Card
from edge.errors import EdgeError
from edge.machine import this_machine
from edge.progress import Progress, silent
from edge.timing import MOST_ROUNDS
from quantize import report as reports
from quantize.candidate import (
    Measured,
    Setting,
    describe,
    measure_candidate,
    measure_reference,
    without_path,
)
from quantize.comparison import Comparison, Row
from quantize.contract import ModelContract, contract_of
from quantize.conversion import versions
from quantize.errors import MeasureError
from quantize.model_card import find_model_card
from quantize.modelfile import load_model
from quantize.passes.lift_emap import emap_candidates
from quantize.recognition import crop_embedder
from quantize.samples import Samples, calibration_samples, held_out_samples
from quantize.timing import WARM_UP, interleaved

ROUNDS = 20
"""Rounds that count: the median of fewer says little on a machine that does other things too."""

COUNT = 16
"""Samples that quality is measured on."""

_MOST_THREADS = 4
_HIDDEN_FOLDER = (
    "The samples come from a folder of the user's, whose people have given no consent to be "
    "swapped: heat maps are shown, swapped pictures are not."
)
_BUSY = (
    "The machine was busy before (load {load:.1f} on {cores} cores): read ratios, not milliseconds."
)
_HIDDEN_BAKED = (
    "The model takes no source, so somebody's identity may be baked in: heat maps are shown, "
    "swapped pictures are not."
)


def compare(
    reference: Path,
    candidates: Sequence[Path],
    *,
    card: Card | Path | str | None = None,
    report: Path | None = None,
    samples: Samples | None = None,
    calibration: Path | None = None,
    count: int = COUNT,
    threads: int | None = None,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> Comparison:
    """Measure size, latency, memory and quality of converted models against their float model.

    Quality is measured with the kernels of the target that the JSON beside a candidate names, on
    samples that no calibration has seen. A candidate that does not run is a row that says why.

    Args:
        reference: the float model, .onnx.
        candidates: .onnx, .ort and .tflite files; one that is named twice is measured once.
        card: the model's card: itself, its file, or its name; by default that of a shipped or added
            model with the same SHA-256, if there is one.
        report: .html file to write a report to, with .md and .json of the same name beside it. A
            report that is there is replaced; any other file is not.
        samples: what quality is measured on; by default held-out faces of nobody, or random
            pictures for a model without a card.
        calibration: a folder of crops, pictures or videos to take instead.
        count: how many samples.
        threads: of every engine; by default all cores, at most 4.
        rounds: of the timing.
        progress: told after each piece of work.

    Returns:
        The comparison. Pictures in it carry the visible label.

    Raises:
        MeasureError: there is nothing to compare, a file is missing, the report cannot stand where
            it should, or the float model does not run.
        ModelFileError: the float model is broken.
        CardError: no such card.
        ContractError: the card does not fit.
        SamplesError: the folder holds nothing to measure on.
        OutputError: the report cannot be written.
    """
    named = _named(reference, candidates)
    if report is not None:
        reports.check_destination(report, named)
    _check_numbers(rounds=rounds, count=count, threads=1 if threads is None else threads)
    threads = threads or min(_MOST_THREADS, this_machine().cores)
    file = load_model(reference)
    known, note = (card, "") if isinstance(card, Card) else find_model_card(card, file)
    contract = contract_of(file.model, known, emap=_emap(file.model))
    theirs = samples is not None or calibration is not None
    notes = [_HIDDEN_FOLDER] if theirs else []
    if contract.identity_input is None:
        notes.append(_HIDDEN_BAKED)
    setting = Setting(
        contract=contract,
        samples=samples or _samples(contract, calibration, count, threads),
        threads=threads,
        embed=crop_embedder(contract, threads=threads),
        show_swaps=not notes,
    )
    notes += [note, contract.note, *setting.samples.notes]
    del file  # half a gigabyte, for the full-size models
    comparison = _measure(named, setting, rounds, notes, progress)
    if report is not None:
        reports.write_report(comparison, report, inputs=named)
    return comparison


def _named(reference: Path, candidates: Sequence[Path]) -> dict[Path, str]:
    """Return each file once with a name that tells it from the others; the float model first."""
    files: dict[Path, Path] = {}
    for path in (reference, *candidates):
        if not path.exists():
            raise MeasureError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise MeasureError(f"{path}: is no plain file; name the models in it")
        files.setdefault(path.resolve(), path)
    if len(files) < 2:
        raise MeasureError(
            f"there is nothing to compare {reference} with: name at least one other model"
        )
    short = [path.name for path in files.values()]
    return {
        path: path.name if short.count(path.name) == 1 else str(path) for path in files.values()
    }


def _emap(model: onnx.ModelProto) -> NDArray[np.float32] | None:
    names = emap_candidates(model)
    if len(names) != 1:
        return None
    stored = next(tensor for tensor in model.graph.initializer if tensor.name == names[0])
    return numpy_helper.to_array(stored).astype(np.float32)


def _samples(
    contract: ModelContract, calibration: Path | None, count: int, threads: int
) -> Samples:
    if calibration is not None:
        return calibration_samples(contract, folder=calibration, count=count, threads=threads)
    return held_out_samples(contract, count=count, threads=threads)


def _check_numbers(rounds: int, count: int, threads: int) -> None:
    for name, number in (("rounds", rounds), ("count", count), ("threads", threads)):
        if number < 1:
            raise MeasureError(f"{name} must be 1 or more, not {number}")
    if rounds > MOST_ROUNDS:
        raise MeasureError(f"rounds must be {MOST_ROUNDS} or fewer, not {rounds}")


def _measure(
    named: Mapping[Path, str],
    setting: Setting,
    rounds: int,
    notes: Sequence[str],
    progress: Progress,
) -> Comparison:
    """Judge all files one after the other, then time those that run in turns."""
    load = os.getloadavg()[0]  # before we make a load of our own
    paths = list(named)
    total = len(paths) + WARM_UP + rounds
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(done, total, what)

    first = measure_reference(paths[0], named[paths[0]], setting)
    step(named[paths[0]])
    measured = [first]
    for path in paths[1:]:
        measured.append(_candidate(path, named[path], setting, first))
        step(named[path])
    busy = load > this_machine().cores
    if busy:
        notes = [*notes, _BUSY.format(load=load, cores=this_machine().cores)]
    rows = _timed(measured, setting, rounds, lambda: step("latency"))
    card = setting.contract.card
    return Comparison(
        reference=rows[0],
        candidates=tuple(rows[1:]),
        card=card.name if card is not None else "",
        samples=setting.samples.origin,
        count=len(setting.samples.feeds),
        digest=setting.samples.digest,
        threads=setting.threads,
        rounds=rounds,
        load=load,
        machine=this_machine(),
        versions=versions(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        notes=tuple(note for note in notes if note),
    )


def _candidate(path: Path, name: str, setting: Setting, first: Measured) -> Measured:
    """Measure a candidate; whatever is wrong with it becomes its row's trouble."""
    row = Row(name, path.suffix.lower().lstrip("."), path.stat().st_size, 0.0)
    row = replace(row, size_ratio=row.size / first.row.size)
    try:
        row, companion = describe(path, name, first.row.size)
        return measure_candidate(path, row, companion, setting, first.outputs)
    except EdgeError as error:
        return Measured(replace(row, trouble=without_path(str(error), path)))


def _timed(
    measured: Sequence[Measured],
    setting: Setting,
    rounds: int,
    after_round: Callable[[], object],
) -> list[Row]:
    """Add the latencies of all that run, measured in turns."""
    feeds = setting.samples.feeds[0]
    runs = {
        str(number): partial(each.runs.run, feeds)
        for number, each in enumerate(measured)
        if each.runs is not None
    }
    timings = interleaved(runs, rounds=rounds, after_round=after_round)
    return [
        replace(each.row, timing=timings.get(str(number))) for number, each in enumerate(measured)
    ]
