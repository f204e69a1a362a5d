"""One file per family of operators; each says what it writes in a table of its own."""

from __future__ import annotations

from collections.abc import Callable

from quantize.export.tflite.operators import (
    convolution,
    linear,
    moves,
    norms,
    padding,
    pointwise,
    pooling,
    reduce,
    resize,
)
from quantize.export.tflite.step import Step

HANDLERS: dict[str, Callable[[Step], None]] = {
    **convolution.HANDLERS,
    **linear.HANDLERS,
    **moves.HANDLERS,
    **norms.HANDLERS,
    **padding.HANDLERS,
    **pointwise.HANDLERS,
    **pooling.HANDLERS,
    **reduce.HANDLERS,
    **resize.HANDLERS,
}
"""What writes an operator of ONNX, by its name."""
