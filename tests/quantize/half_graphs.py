"""What the tests of the smaller precisions share: a GHOST in small, preparation, and checks."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from quantize.engine import Engine
from quantize.modelfile import name_nodes
from quantize.passes import STANDARD, LiftEmap, StaticShapes, bake_identity, draw_feeds, run_passes
from tests.quantize.graphs import TOPOLOGIES, Sketch, adaptive, embedding

STAGES = ("exported", "standard", "baked")


def ghost_like(width: int = 8, size: int = 16) -> onnx.ModelProto:
    """GHOST in small: encoder with norms, skips, aligned corners, and a mask eroded by MaxPool."""
    s = Sketch(seed=7)
    target, source = s.input("target", 1, 3, size, size), s.input("source", 1, 512)
    w = width
    x, skips = target, []
    for inputs, outputs in ((3, w), (w, w)):
        x = s.conv(x, inputs, outputs, 4, strides=[2, 2], pads=[1] * 4)
        parts = [s.noise(w, scale=0.1, shift=1), s.noise(w, scale=0.1), s.noise(w, scale=0.1)]
        spread = s.keep(s.rng.uniform(0.5, 1.5, w))
        x = s.op("LeakyRelu", s.op("BatchNormalization", x, *parts, spread), alpha=0.1)
        skips.append(x)
    x = s.op("Relu", adaptive(s, x, source, w, skips[1]))
    up = s.noise(w, w, 4, 4, scale=0.3)
    x = s.op("ConvTranspose", x, up, s.noise(w, scale=0.1), strides=[2, 2], pads=[1] * 4)
    x = s.conv(s.op("Concat", x, skips[0], axis=1), 2 * w, w)
    x = s.op("Relu", adaptive(s, x, source, w, skips[0]))
    x = s.op(
        "Resize",
        x,
        "",
        s.keep([1, 1, 2, 2]),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    )
    mask = s.op("Sigmoid", s.conv(x, w, 1))
    widened = s.op("MaxPool", s.op("Neg", mask), kernel_shape=[3, 3], pads=[1] * 4)
    eroded = s.op("Neg", widened, output="mask")
    delta = s.op("Mul", s.op("Sub", s.op("Tanh", s.conv(x, w, 3)), target), eroded)
    s.op("Add", target, delta, output="output")
    return s.model("output", "mask")


FAMILIES = {**TOPOLOGIES, "ghost": ghost_like}


@cache
def _prepared(name: str, stage: str) -> bytes:
    model = FAMILIES[name]()
    if stage != "exported":
        with tempfile.TemporaryDirectory() as folder:
            passes = [LiftEmap(Path(folder) / "emap.npy"), StaticShapes(), *STANDARD]
            if stage == "baked":
                passes += bake_identity({"source": embedding()})
            model = run_passes(model, passes, samples=1).model
    name_nodes(model)
    return bytes(model.SerializeToString())


def prepared(name: str, stage: str) -> onnx.ModelProto:
    """Return a family's model as it was exported, behind the standard passes, or baked as well."""
    model = onnx.ModelProto()
    model.ParseFromString(_prepared(name, stage))
    return model


def worst_psnr(reference: onnx.ModelProto, other: onnx.ModelProto, samples: int = 2) -> float:
    """Return the worst PSNR over samples and outputs in dB, for values in [0, 1]."""
    first, second = Engine(reference), Engine(other)
    worst = 99.0
    for feeds in draw_feeds(reference, count=samples):
        wanted, given = first.run(feeds), second.run(feeds)
        for name, value in wanted.items():
            error = float(np.square(value.astype(np.float64) - given[name]).mean())
            worst = min(worst, -10 * np.log10(max(error, 1e-10)))
    return worst


def interface(model: onnx.ModelProto) -> list[tuple[str, int]]:
    values = [*model.graph.input, *model.graph.output]
    return [(value.name, value.type.tensor_type.elem_type) for value in values]


def precisions(model: onnx.ModelProto) -> dict[str, int]:
    """Return how many bytes of weights there are by element type."""
    sizes: dict[str, int] = {}
    for tensor in model.graph.initializer:
        kind = TensorProto.DataType.Name(tensor.data_type)
        sizes[kind] = sizes.get(kind, 0) + len(tensor.raw_data)
    return sizes
