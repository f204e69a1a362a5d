"""Tiny models, ranges and recipes that the tests of quantization share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from quantize.calibrate import Ranges, calibrate
from quantize.contract import contract_of
from quantize.engine import Engine, Kernels
from quantize.modelfile import name_nodes
from quantize.passes import STANDARD, InputSpec, draw_feeds, run_passes
from quantize.recipes import Recipe, load_recipe
from quantize.samples import Samples, drawn_samples
from tests.quantize.graphs import TOPOLOGIES, Sketch


def recipe(name: str = "x86_cpu", **changes: Any) -> Recipe:
    """Return a shipped recipe, with nothing fixed and no extras unless asked for."""
    plain = {"float_layers": (), "gemm_weights": "float", "float_weights": "float"}
    return replace(load_recipe(name), **(plain | changes))


@cache
def topology(name: str) -> tuple[onnx.ModelProto, Ranges, Samples]:
    """Return a small copy of a swap model, prepared and calibrated, and samples of other seeds."""
    model = TOPOLOGIES[name]()
    if name == "inswapper":
        del model.graph.initializer[-1]  # the emap, which preparation lifts out
    model = run_passes(model, STANDARD, samples=1).model
    name_nodes(model)
    contract = contract_of(model)
    ranges = calibrate(model, drawn_samples(contract, 3, 0), cache=None)
    return model, ranges, drawn_samples(contract, 2, 1)


def fed(model: onnx.ModelProto, count: int = 3, seed: int = 0) -> Samples:
    """Return uniform inputs in [-1, 1] for a model."""
    specs = {value.name: InputSpec("uniform", -1.0, 1.0) for value in model.graph.input}
    return Samples(tuple(draw_feeds(model, specs, count=count, seed=seed)), "drawn", f"{seed}")


def calibrated(model: onnx.ModelProto) -> Ranges:
    """Return the ranges of a model that is fed uniform inputs."""
    return calibrate(model, fed(model), cache=None)


def outputs(
    model: onnx.ModelProto, samples: Samples, kernels: Kernels = "default"
) -> list[dict[str, NDArray[Any]]]:
    """Run a model on every sample."""
    engine = Engine(model, kernels=kernels)
    return [engine.run(feeds) for feeds in samples.feeds]


def decibel(got: list[dict[str, NDArray[Any]]], right: list[dict[str, NDArray[Any]]]) -> float:
    """Return the dB of the worst output, against its own span."""
    worst = 200.0
    for made, wanted in zip(got, right, strict=True):
        for name, value in wanted.items():
            error = float(np.mean(np.square(made[name].astype(np.float64) - value)))
            worst = min(worst, 10 * np.log10(np.ptp(value) ** 2 / max(error, 1e-20)))
    return worst


def chain(*kinds: str, width: int = 8, seed: int = 0) -> onnx.ModelProto:
    """Return a model of one layer after the other, each 3x3 for "Conv"."""
    s = Sketch(seed=seed)
    x = s.input("x", 1, width, 12, 12)
    for index, kind in enumerate(kinds):
        x = _step(s, x, kind, width, f"n{index}")
    s.op("Tanh", x, output="y")
    return s.model("y")


def _step(s: Sketch, x: str, kind: str, width: int, name: str) -> str:
    attrs: dict[str, Any]
    if kind == "Conv":
        weight = s.noise(width, width, 3, 3, scale=(9 * width) ** -0.5)
        inputs, attrs = [x, weight, s.noise(width, scale=0.1)], {"pads": [1] * 4}
    elif kind == "Pad":
        inputs, attrs = [x, s.ints(0, 0, 1, 1, 0, 0, 1, 1)], {"mode": "reflect"}
    elif kind == "Crop":
        kind, attrs = "Slice", {}
        inputs = [x, s.ints(1, 1), s.ints(11, 11), s.ints(2, 3)]
    elif kind == "Transpose":
        inputs, attrs = [x], {"perm": [0, 1, 3, 2]}
    elif kind == "MaxPool":
        inputs, attrs = [x], {"kernel_shape": [3, 3], "pads": [1] * 4}
    elif kind == "LeakyRelu":
        inputs, attrs = [x], {"alpha": 0.2}
    elif kind == "Resize":
        inputs = [x, "", s.keep([1, 1, 2, 2])]
        attrs = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    elif kind == "Double":
        inputs, attrs = [x, x], {}
        kind = "Add"
    else:
        inputs, attrs = [x], {}
    output = s.op(kind, *inputs, **attrs)
    s.nodes[-1].name = name
    return output


def kinds_of(model: onnx.ModelProto) -> dict[str, str]:
    """Return the operator of every node by its name."""
    return {node.name: node.op_type for node in model.graph.node}


def stored(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Return the stored values of a model."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def is_rounded(model: onnx.ModelProto, name: str) -> bool:
    """Return whether a value comes from DequantizeLinear."""
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    return made.get(name) == "DequantizeLinear"
