"""The records of a comparison: what was measured of which file, on what, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from edge.cli import one_line
from edge.machine import Machine
from quantize.metrics import MOST_PSNR
from quantize.quality import Scores
from quantize.timing import Timing
from quantize.truth import TruthScores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "edge-swap comparison"
"""What the JSON says it is; a file that says so may be replaced by a new report."""

_PLAIN = (
    "name",
    "format",
    "size",
    "size_ratio",
    "precision",
    "target",
    "recipe",
    "engine",
    "kernels",
    "memory_added",
    "memory_peak",
    "trouble",
)
"""Fields of a row that go into the JSON as they are."""

KERNELS = {
    "default": "the kernels of this machine",
    "precise": "precise integer kernels, which compute what ARM does",
    "reference": "no kernels of its own: node by node, quantization simulated in float",
}
"""For people: with which kernels of ONNX Runtime quality was measured."""


def decibels(value: float) -> str:
    """Return a PSNR for people; 99 stands for equal pictures."""
    return f"≥ {MOST_PSNR:.0f}" if value >= MOST_PSNR else f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class LayerFigure:
    """How sensitive one layer is.

    Attributes:
        name: of the node.
        operator: Conv, Gemm, ...
        psnr: dB of the worst picture when only this layer is quantized.
        left_float: whether it stayed float.
    """

    name: str
    operator: str
    psnr: float
    left_float: bool


@dataclass(frozen=True, slots=True, eq=False)
class WorstPicture:
    """Where a model is furthest from the float model. All pictures carry the visible label.

    Attributes:
        sample: name of the sample.
        psnr: dB there.
        scale: difference in [0, 1] that the heat map's brightest colour stands for.
        heat: uint8 (H, W, 3) BGR, the largest difference of the three channels.
        reference: uint8 (H, W, 3) BGR, what the float model gave; None where no swapped picture may
            be shown.
        picture: uint8 (H, W, 3) BGR, what the model gave; None likewise.
    """

    sample: str
    psnr: float
    scale: float
    heat: NDArray[np.uint8]
    reference: NDArray[np.uint8] | None = None
    picture: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One file of a comparison.

    Attributes:
        name: the file, as short as tells it from the others.
        format: onnx, ort or tflite.
        size: bytes, weights in other files included.
        size_ratio: of the float model's size.
        precision: as the JSON beside it says; empty where there is none.
        target: the kind of device that it was made for; empty likewise.
        recipe: how it was made; empty likewise.
        engine: name and version of what ran it.
        kernels: with which kernels quality was measured: see `KERNELS`; empty for other engines.
        memory_added: bytes that loading it and running it took in a fresh process.
        memory_peak: bytes of that whole process, interpreter and engine included.
        providers: nodes that ran on each execution provider; empty where the engine does not tell.
        timing: latency, in turns with the others.
        scores: quality against the float model; None for the float model, and where none is.
        truth: quality against the truth; None where no truth is known.
        trouble: why it does not run, one line; empty when it does.
        notes: what else there is to know, one sentence each.
        layers: sensitivity, as the JSON beside it says.
        worst: the worst picture; not in the JSON.
    """

    name: str
    format: str
    size: int
    size_ratio: float
    precision: str = ""
    target: str = ""
    recipe: str = ""
    engine: str = ""
    kernels: str = ""
    memory_added: int | None = None
    memory_peak: int | None = None
    providers: Mapping[str, int] = field(default_factory=dict)
    timing: Timing | None = None
    scores: Scores | None = None
    truth: TruthScores | None = None
    trouble: str = ""
    notes: tuple[str, ...] = ()
    layers: tuple[LayerFigure, ...] = ()
    worst: WorstPicture | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it but the pictures, as JSON takes it."""
        records = (self.timing, self.scores, self.truth)
        timing, scores, truth = (None if each is None else asdict(each) for each in records)
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "providers": dict(self.providers),
            "timing_ms": timing,
            "quality": scores,
            "truth": truth,
            "notes": list(self.notes),
            "layers": [asdict(layer) for layer in self.layers],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A float model and what was made of it, side by side.

    Attributes:
        reference: the float model.
        candidates: the others, in the order they were given.
        card: name of the model's card; empty without one.
        samples: what quality was measured on, for people.
        count: how many samples.
        digest: hex SHA-256 of the samples.
        threads: of every engine.
        rounds: of the timing.
        load: processes that ran or waited on average in the minute before.
        machine: where it was measured.
        versions: of what did the work.
        created: when, UTC, ISO 8601.
        notes: what holds for all of it, one sentence each.
    """

    reference: Row
    candidates: tuple[Row, ...]
    card: str
    samples: str
    count: int
    digest: str
    threads: int
    rounds: int
    load: float
    machine: Machine
    versions: Mapping[str, str]
    created: str
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The float model, then the candidates."""
        return (self.reference, *self.candidates)

    @property
    def measured(self) -> tuple[Row, ...]:
        """Candidates that run."""
        return tuple(row for row in self.candidates if not row.trouble)

    def findings(self) -> list[str]:
        """Return what stands out, in printable sentences: quickest, smallest, nearest."""
        said = []
        timed = [(row.timing.ratio, row) for row in self.measured if row.timing is not None]
        if timed:
            quicker = [pair for pair in timed if pair[1].timing and pair[1].timing.quicker]
            ratio, row = max(quicker or timed, key=lambda pair: pair[0])
            if quicker and ratio > 1:
                said.append(f"Quickest here: {row.name}, {ratio:.2f} times as fast as float.")
            else:
                said.append("Nothing is quicker than the float model on this machine.")
        if self.measured:
            row = min(self.measured, key=lambda row: row.size)
            said.append(f"Smallest: {row.name}, {row.size_ratio:.2f} of the float model's size.")
        judged = [(row.scores.psnr_worst, row) for row in self.measured if row.scores is not None]
        if judged:
            worst, row = max(judged, key=lambda pair: pair[0])
            said.append(f"Nearest to float: {row.name}, its worst picture at {decibels(worst)} dB.")
        broken = [row.name for row in self.candidates if row.trouble]
        if broken:
            said.append(f"Not measured: {', '.join(broken)}.")
        return [one_line(each) for each in said]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it but the pictures, as JSON takes it."""
        return {
            "format": FORMAT,
            "version": 1,
            "created": self.created,
            "card": self.card,
            "reference": self.reference.as_dict(),
            "candidates": [row.as_dict() for row in self.candidates],
            "samples": {"origin": self.samples, "count": self.count, "sha256": self.digest},
            "threads": self.threads,
            "rounds": self.rounds,
            "load": self.load,
            "machine": asdict(self.machine),
            "versions": dict(self.versions),
            "findings": self.findings(),
            "notes": list(self.notes),
        }
