"""Tiny models that keep a target's rules, for tests to break one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.quantize.graphs import Sketch

KINDS = {"u8": np.uint8, "s8": np.int8, "s32": np.int32, "s16": np.int16}


def rounded(s: Sketch, x: str, kind: str = "s8", zero: int = 0, scale: Any = 0.1) -> str:
    """Return a value behind Q and DQ."""
    names = [s.keep(scale), s.keep(np.full(np.shape(scale), zero), kind=KINDS[kind])]
    axis: dict[str, Any] = {"axis": 1} if np.ndim(scale) else {}
    return s.op("DequantizeLinear", s.op("QuantizeLinear", x, *names, **axis), *names, **axis)


def stored(
    s: Sketch,
    *shape: int,
    kind: str = "s8",
    axis: int | None = 0,
    zero: int = 0,
    scale: float = 0.01,
) -> str:
    """Return a stored weight behind DQ."""
    values = s.keep(s.rng.integers(1, 100, shape), kind=KINDS[kind])
    sizes = () if axis is None else (shape[axis],)
    given: dict[str, Any] = {} if axis is None else {"axis": axis}
    scales, zeros = s.keep(np.full(sizes, scale)), s.keep(np.full(sizes, zero), kind=KINDS[kind])
    return s.op("DequantizeLinear", values, scales, zeros, **given)


def layer(s: Sketch, x: str, width: int = 4, kind: str = "s8", **more: Any) -> str:
    """Return an 8-bit convolution as ONNX Runtime's kernels want it: 8 bits in and out."""
    weight = stored(s, width, width, 3, 3, **more)
    bias = stored(s, width, kind="s32", scale=0.1 * more.get("scale", 0.01))
    made = s.op("Conv", rounded(s, x, kind), weight, bias, pads=[1] * 4)
    return rounded(s, made, kind)


def tensorrt_layer(s: Sketch, x: str, width: int = 4, **more: Any) -> str:
    """Return an 8-bit convolution as TensorRT wants it: only what it reads is rounded."""
    weight = stored(s, width, width, 3, 3, **more)
    return s.op("Conv", rounded(s, x), weight, s.noise(width), pads=[1] * 4)


def sketch() -> tuple[Sketch, str]:
    """Return an empty model with one picture."""
    s = Sketch()
    return s, s.input("x", 1, 4, 8, 8)


def finished(s: Sketch, x: str) -> onnx.ModelProto:
    """Return the model; the last value becomes its output."""
    s.op("Tanh", x, output="y")
    return s.model("y")


def of(build: Callable[[Sketch, str], str]) -> onnx.ModelProto:
    """Return the model that a function of sketch and picture builds."""
    s, x = sketch()
    return finished(s, build(s, x))


def unchecked(
    build: Callable[[Sketch, str], str], output: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Return a model of operators that ONNX's own checker does not know, or would refuse."""
    s, x = sketch()
    result = build(s, x)
    value = helper.make_tensor_value_info(result, output, None)
    graph = helper.make_graph(s.nodes, "g", s.inputs, [value], s.stored)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)
