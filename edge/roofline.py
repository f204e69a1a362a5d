"""How far a swap model is from the most that the processor does.

What a model asks for is counted by ONNX Runtime, and so is the peak measured, by large products of
matrices that run in the same rounds: see `edge.backends._roofline`. Where ONNX Runtime is not
installed, or no file of it is there, nothing is counted and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BackendError

if TYPE_CHECKING:
    from edge.backends._roofline import Product
    from edge.shelf import Shelf
    from edge.swapmodel import SwapModel
    from edge.timing import Timing

__all__ = ["Roof", "raise_roof"]

_COUNTED = {".onnx", ".ort"}


@dataclass(frozen=True, slots=True, eq=False)
class Roof:
    """What one crop asks for, and what the processor does at most.

    Attributes:
        multiply_adds: Of one run of the model; 0 where they could not be counted.
        peaks: Thousand million operations a second, by kind of number and threads; empty before
            they were measured.
    """

    multiply_adds: int
    peaks: Mapping[tuple[str, int], float] = field(default_factory=dict)
    _products: tuple[Product, ...] = ()

    def stages(self) -> dict[str, Callable[[], object]]:
        """Return what is to be run in the rounds, by name."""
        return {f"{each.kind} {each.threads}": each.run for each in self._products}

    def reached(self, timings: Iterable[Timing]) -> Roof:
        """Return the roof with the peaks by the quickest rounds of its stages, in their order."""
        pairs = zip(self._products, timings, strict=True)
        peaks = {(one.kind, one.threads): one.operations / t.quickest / 1e6 for one, t in pairs}
        return replace(self, peaks=peaks)

    def gops(self, timing: Timing) -> float | None:
        """Return what a model did in its quickest round, thousand million operations a second."""
        return 2 * self.multiply_adds / timing.quickest / 1e6 if self.multiply_adds else None

    def peak(self, precision: str, threads: int) -> float | None:
        """Return the peak for a model; float32 counts for all but int8, whatever weights are in.

        Args:
            precision: Of the card: fp32, fp16, int8 or w8.
            threads: Of its engine.
        """
        return self.peaks.get((kind_of(precision), threads))


def kind_of(precision: str) -> str:
    """Return which products show the peak for a card's precision: int8 or float32."""
    return "int8" if precision == "int8" else "float32"


def raise_roof(models: Sequence[SwapModel], shelf: Shelf, threads: Iterable[int]) -> Roof:
    """Count what one crop asks for, and prepare the products that show the peak.

    Args:
        models: Ways of running one and the same swap model; the first that can be counted is.
        shelf: Where their files lie.
        threads: Numbers of threads whose peaks are wanted.
    """
    from edge.backends._roofline import products

    count = next(filter(None, (_count(model, shelf) for model in models)), 0)
    if not count:
        return Roof(0)
    found = [each for number in sorted(set(threads)) for each in products(number)]
    return Roof(count, _products=tuple(found))


def _count(model: SwapModel, shelf: Shelf) -> int:
    from edge.backends._roofline import multiply_adds

    path: Path | None = shelf.file_of(model.card)
    crop = model.card.crop
    if path is None or crop is None or path.suffix not in _COUNTED:
        return 0
    sides = (crop.size, crop.size)
    shape = (1, *sides, 3) if model.card.input.layout == "NHWC" else (1, 3, *sides)
    try:
        return multiply_adds(path, {model._target_input: shape})
    except BackendError:  # no ONNX Runtime, or its CPU path does not know an operator
        return 0
