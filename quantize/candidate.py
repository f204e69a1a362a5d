"""One file of a comparison: tried in a process of its own, opened, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session, open_session
from edge.registry import sha256_of
from quantize.companion import Companion, kernels_of, read_companion
from quantize.comparison import Row
from quantize.contract import ModelContract
from quantize.engine import Engine, Kernels
from quantize.errors import EngineError, MeasureError
from quantize.footprint import Footprint, measure_footprint
from quantize.modelfile import load_model
from quantize.passes._infra.feeds import Feeds, channels_first
from quantize.quality import Outputs, open_engine, rgb_of, run_all, score
from quantize.recognition import Embed
from quantize.report_pictures import worst_picture
from quantize.samples import Samples
from quantize.truth import score_truth

ORT_SUFFIXES = (".onnx", ".ort")
"""Files that ONNX Runtime runs; the toolchain's own engine opens them, with a choice of kernels."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What all files of a comparison are measured with.

    Attributes:
        contract: what the float model takes and gives; the candidates must give the same.
        samples: what all are fed.
        threads: of every engine.
        embed: the recogniser that judges identity; None where none is at hand.
        show_swaps: whether swapped pictures may stand in a report.
    """

    contract: ModelContract
    samples: Samples
    threads: int
    embed: Embed | None
    show_swaps: bool


class _Runs(Protocol):
    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]: ...


class InterpreterRuns:
    """A .tflite file that takes and gives what the float model does, by the same names."""

    def __init__(self, session: Session, contract: ModelContract) -> None:
        """Join a session and the float model's contract.

        Raises:
            MeasureError: its inputs or outputs cannot be matched with the float model's.
        """
        self._session = session
        wanted = [name for name in (contract.picture, contract.mask) if name is not None]
        self._inputs = _matched("input", session.inputs, list(contract.inputs))
        self._outputs = _matched("output", session.outputs, wanted)

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Run it once; see `quantize.engine.Engine.run`. Pictures come out as (1, C, H, W)."""
        given = channels_first({own: feeds[name] for own, name in self._inputs.items()})
        results = dict(zip(self._session.outputs, self._session.run(given), strict=True))
        return {name: np.asarray(results[own]) for own, name in self._outputs.items()}


def _matched(what: str, own: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return the float model's name for each of a file's own that is needed.

    1. By name.
    2. One on either side: they are the same thing, whatever an exporter called it.
    """
    same = {name: name for name in own if name in known}
    complete = set(own) <= set(known) if what == "input" else set(known) <= set(own)
    if complete:
        return same
    if len(own) == len(known) == 1:
        return {own[0]: known[0]}
    raise MeasureError(
        f"its {what}s are {', '.join(own)}, the float model's {', '.join(known)}: "
        "export it with the same names"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A file that has been judged, and is open for timing.

    Attributes:
        row: its figures so far.
        runs: what times it; None where it does not run.
        outputs: what the float model gave per sample; of candidates only the figures are kept.
    """

    row: Row
    runs: _Runs | None = None
    outputs: Sequence[Outputs] = ()


def describe(path: Path, name: str, reference_size: int | None) -> tuple[Row, Companion]:
    """Say what there is to say about a file without running it.

    Args:
        path: the file.
        name: what it is called in the comparison.
        reference_size: bytes of the float model; None for the float model itself.

    Raises:
        ModelFileError: an .onnx file that is broken or unsafe to open.
    """
    if path.suffix.lower() == ".onnx":
        file = load_model(path)  # checks it, and where its weights lie
        size, digest = file.size, file.sha256
    else:
        size, digest = path.stat().st_size, sha256_of(path)
    companion = read_companion(path, digest)
    row = Row(
        name=name,
        format=path.suffix.lower().lstrip("."),
        size=size,
        size_ratio=size / reference_size if reference_size else 1.0,
        precision=companion.precision,
        target=companion.target,
        recipe=companion.recipe,
        notes=(companion.note,) if companion.note else (),
        layers=companion.layers,
    )
    return row, companion


def with_footprint(row: Row, footprint: Footprint, path: Path) -> Row:
    """Add what the trial of a file in another process has shown."""
    return replace(
        row,
        engine=f"{footprint.backend} {footprint.engine_version}".strip(),
        memory_added=footprint.added,
        memory_peak=footprint.peak,
        providers={footprint.provider: 0} if footprint.provider else {},
        trouble=without_path(footprint.trouble, path),
    )


def without_path(message: str, path: Path) -> str:
    """Return an error's message on one line, without the file that its row names anyway."""
    line = " ".join(message.split())
    for start in (f"{path}: ", f"{path.name}: "):
        line = line.removeprefix(start)
    return line


def measure_reference(path: Path, name: str, setting: Setting) -> Measured:
    """Measure the float model.

    Raises:
        MeasureError: it does not run.
        EngineError: likewise.
        ModelFileError: it is broken.
    """
    row, _ = describe(path, name, None)
    footprint = measure_footprint(path, _first(setting), threads=setting.threads)
    row = with_footprint(row, footprint, path)
    if row.trouble:
        raise MeasureError(f"{path}: the float model does not run: {row.trouble}")
    engine = Engine(path, threads=setting.threads)
    outputs = run_all(engine, setting.samples)
    row = replace(
        row, kernels="default", providers=engine.nodes_per_provider(setting.samples.feeds[0])
    )
    return Measured(row, engine, outputs)


def measure_candidate(
    path: Path, row: Row, companion: Companion, setting: Setting, reference: Sequence[Outputs]
) -> Measured:
    """Try, open and judge a candidate.

    Args:
        path: the file.
        row: from `describe`.
        companion: likewise.
        setting: what all are measured with.
        reference: what the float model gave per sample.

    Raises:
        EdgeError: it does not run here, or gives something else than the float model.
    """
    in_ort, feeds = path.suffix.lower() in ORT_SUFFIXES, _first(setting)
    footprint = measure_footprint(
        path, feeds if in_ort else channels_first(feeds), threads=setting.threads
    )
    row = with_footprint(row, footprint, path)
    if row.trouble:
        return Measured(row)
    if in_ort:
        opened = _in_ort(path, companion, setting)
    else:
        session = open_session(path, backend=footprint.backend, threads=setting.threads)
        runs = InterpreterRuns(session, setting.contract)
        opened = _Opened(runs, runs, session.inputs)
    row = replace(
        row,
        kernels=opened.kernels,
        providers=opened.providers,
        notes=(*row.notes, *opened.notes),
    )
    asked = setting.contract.identity_input
    baked = asked is not None and (companion.baked or asked not in opened.inputs)
    return _judged(row, opened, setting, reference, baked)


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """A file that is open: as this machine would run it, and as it is judged."""

    runs: _Runs
    judge: _Runs
    inputs: Sequence[str]
    kernels: str = ""
    providers: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _in_ort(path: Path, companion: Companion, setting: Setting) -> _Opened:
    engine = Engine(path, threads=setting.threads)
    wanted, note = kernels_of(companion)
    judge = engine if wanted == "default" else _judge(path, wanted, setting)
    if judge.kernels != wanted:
        note = f"ONNX Runtime does not run it with {wanted} kernels"
    return _Opened(
        runs=engine,
        judge=judge,
        inputs=engine.inputs,
        kernels=judge.kernels,
        providers=engine.nodes_per_provider(_first(setting)),
        notes=(note,) if note else (),
    )


def _judge(path: Path, kernels: Kernels, setting: Setting) -> Engine:
    """Open a file with certain kernels, or as it is written where those do not run it."""
    judge = open_engine(path, kernels=kernels, threads=setting.threads)
    try:
        judge.run(_first(setting))
    except EngineError:
        # Some models load with precise kernels, and then fail: 8-bit weights without a zero point.
        return Engine(path, kernels="reference", threads=setting.threads)
    return judge


def _first(setting: Setting) -> Feeds:
    return setting.samples.feeds[0]


def _judged(
    row: Row,
    opened: _Opened,
    setting: Setting,
    reference: Sequence[Outputs],
    baked: bool,
) -> Measured:
    contract, samples = setting.contract, setting.samples
    if baked:
        why = "an identity is baked in: compare it with the float model that has the same one"
        return Measured(replace(row, notes=(*row.notes, why)), opened.runs)
    outputs = run_all(opened.judge, samples)
    scores = score(outputs, reference, contract, embed=setting.embed)
    truth = None
    if samples.truths is not None:
        truth = score_truth(outputs, reference, samples.truths, contract, embed=setting.embed)
    number = scores.worst
    worst = worst_picture(
        rgb_of(outputs[number], contract),
        rgb_of(reference[number], contract),
        sample=samples.names[number] if samples.names else f"sample {number + 1}",
        psnr=scores.psnr_worst,
        show_swap=setting.show_swaps,
    )
    return Measured(replace(row, scores=scores, truth=truth, worst=worst), opened.runs)
