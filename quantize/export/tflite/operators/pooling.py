"""MaxPool and AveragePool."""

from __future__ import annotations

import numpy as np

from quantize.export.tflite.operators.convolution import (
    NATURAL,
    SAME,
    VALID,
    Window,
    fitted,
    windows,
)
from quantize.export.tflite.operators.padding import padded
from quantize.export.tflite.step import Step

_LOWEST = float(np.finfo(np.float32).min)


def _windows(step: Step) -> list[Window]:
    axes = windows(step, tuple(step.attributes["kernel_shape"]))
    if any(axis.dilation != 1 for axis in axes):
        raise step.refusal("TFLite has no dilated pools")
    if len([name for name in step.node.output if name]) > 1:
        raise step.refusal("TFLite does not give the places of the largest values")
    return axes


def _options(axes: list[Window], padding: int) -> dict[str, int]:
    rows, columns = axes
    return {
        "padding": padding,
        "strideH": rows.stride,
        "strideW": columns.stride,
        "filterHeight": rows.kernel,
        "filterWidth": columns.kernel,
    }


def max_pool(step: Step) -> None:
    """Write a MaxPool."""
    axes = _windows(step)
    picture, padding = fitted(step, step.operand(0, NATURAL), axes, _LOWEST)
    step.give("MAX_POOL_2D", [picture], NATURAL, **_options(axes, padding))


def average_pool(step: Step) -> None:
    """Write an AveragePool; TFLite's SAME leaves padding out of the mean, as ONNX does."""
    axes = _windows(step)
    picture = step.operand(0, NATURAL)
    counted = bool(step.attributes.get("count_include_pad", 0))
    plain = all(axis.valid for axis in axes)
    if not plain and not counted and all(axis.same for axis in axes):
        step.give("AVERAGE_POOL_2D", [picture], NATURAL, **_options(axes, SAME))
        return
    beyond = any(sum(axis.needed) > axis.before + axis.after for axis in axes)
    if not plain and (not counted or beyond):
        raise step.refusal("TFLite has no mean over a window that is padded this way")
    if not plain:
        (top, bottom), (left, right) = (axis.needed for axis in axes)
        picture = padded(step, picture, ((0, 0), (top, bottom), (left, right), (0, 0)))
    step.give("AVERAGE_POOL_2D", [picture], NATURAL, **_options(axes, VALID))


HANDLERS = {"AveragePool": average_pool, "MaxPool": max_pool}
