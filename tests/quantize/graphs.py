"""Tiny seeded graphs for the passes, and small copies of the swap models' topologies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from quantize.passes import InputSpec, Pass, run_passes
from quantize.passes.runner import Rewritten

IR_VERSION = 8


class Sketch:
    """A graph in the making: each method adds something and returns its name."""

    def __init__(self, opset: int = 17, seed: int = 0) -> None:
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.stored: list[Any] = []

    def input(self, name: str, *shape: int | str) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def keep(self, value: Any, name: str = "", kind: Any = np.float32) -> str:
        name = name or f"k{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def ints(self, *values: int) -> str:
        return self.keep(values, kind=np.int64)

    def noise(self, *shape: int, scale: float = 1.0, shift: float = 0.0) -> str:
        return self.keep(self.rng.standard_normal(shape) * scale + shift)

    def op(self, kind: str, *inputs: str, output: str = "", **attrs: Any) -> str:
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [output], name=f"{kind}_{output}", **attrs)
        )
        return output

    def split(self, source: str, *sizes: int, axis: int = 1) -> list[str]:
        names = [f"v{len(self.nodes)}_{index}" for index in range(len(sizes))]
        lengths = self.ints(*sizes)
        self.nodes.append(helper.make_node("Split", [source, lengths], names, axis=axis))
        return names

    def conv(self, x: str, inputs: int, outputs: int, k: int = 3, **attrs: Any) -> str:
        group = attrs.get("group", 1)
        attrs.setdefault("pads", [k // 2] * 4)
        fan = inputs // group * k * k
        weight = self.noise(outputs, inputs // group, k, k, scale=fan**-0.5)
        return self.op("Conv", x, weight, self.noise(outputs, scale=0.1), **attrs)

    def mean(self, x: str, keepdims: int = 1) -> str:
        if self.opset < 18:
            return self.op("ReduceMean", x, axes=[2, 3], keepdims=keepdims)
        return self.op("ReduceMean", x, self.ints(2, 3), keepdims=keepdims)

    def model(self, *outputs: str) -> onnx.ModelProto:
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, values, self.stored)
        imports = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
        model = onnx.shape_inference.infer_shapes(model)
        del model.graph.value_info[:]
        onnx.checker.check_model(model, full_check=True)
        return model


def kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def count(model: onnx.ModelProto, kind: str) -> int:
    return sum(node.op_type == kind for node in model.graph.node)


def weight_sizes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def rewritten(model: onnx.ModelProto, *passes: Pass, **specs: InputSpec) -> Rewritten:
    """Run passes with all of the runner's checks; inputs are uniform in [-1, 1] by default."""
    chosen = {v.name: InputSpec("uniform", -1.0, 1.0) for v in model.graph.input} | specs
    return run_passes(model, passes, inputs=chosen)


def assert_untouched(model: onnx.ModelProto, step: Pass) -> None:
    """Check that a pass finds nothing, says so, and leaves every byte as it was."""
    before = model.SerializeToString(deterministic=True)
    step.requires(model)
    result = step.run(model)
    assert result.model is model
    assert not result.changed
    assert model.SerializeToString(deterministic=True) == before
    step.ensures(model)


def assert_settled(model: onnx.ModelProto, step: Pass) -> None:
    """Check that a second run of a pass finds nothing."""
    assert_untouched(model, step)


def reflect_conv(sketch: Sketch, x: str, inputs: int, outputs: int, k: int, **attrs: Any) -> str:
    pads = sketch.ints(0, 0, k // 2, k // 2, 0, 0, k // 2, k // 2)
    padded = sketch.op("Pad", x, pads, mode="reflect")
    return sketch.conv(padded, inputs, outputs, k, pads=[0] * 4, **attrs)


def decomposed_norm(sketch: Sketch, x: str, epsilon: float = 1e-8) -> str:
    """The spelling of inswapper: x - mean, times 1 / sqrt(mean of squares + epsilon)."""
    centred = sketch.op("Sub", x, sketch.mean(x))
    square = sketch.op("Mul", centred, centred)
    variance = sketch.op("Add", sketch.mean(square), sketch.keep(epsilon))
    root = sketch.op("Sqrt", variance)
    return sketch.op("Mul", centred, sketch.op("Reciprocal", root))


def doubled(sketch: Sketch, x: str, mode: str = "linear") -> str:
    coords = "half_pixel" if mode == "linear" else "asymmetric"
    extra = {} if mode == "linear" else {"nearest_mode": "floor"}
    scales = sketch.keep([1, 1, 2, 2])
    return sketch.op(
        "Resize", x, "", scales, mode=mode, coordinate_transformation_mode=coords, **extra
    )


def inswapper_like(width: int = 8, blocks: int = 2, size: int = 32) -> onnx.ModelProto:
    """inswapper_128 at a fraction of its width, with its unused emap among the initializers."""
    s = Sketch(opset=13, seed=3)
    x, source = s.input("target", 1, 3, size, size), s.input("source", 1, 512)
    w = width
    x = s.op("LeakyRelu", reflect_conv(s, x, 3, w, 7), alpha=0.2)
    for i, o, stride in ((w, 2 * w, 1), (2 * w, 4 * w, 2), (4 * w, 8 * w, 2)):
        x = s.op("LeakyRelu", s.conv(x, i, o, strides=[stride] * 2), alpha=0.2)
    for _ in range(blocks):
        skip = x
        for relu in (True, False):
            x = decomposed_norm(s, reflect_conv(s, x, 8 * w, 8 * w, 3))
            style = s.op("Gemm", source, s.noise(16 * w, 512), s.noise(16 * w, shift=0.5), transB=1)
            style = s.op("Unsqueeze", s.op("Unsqueeze", style, s.ints(2)), s.ints(3))
            gamma, beta = s.split(style, 8 * w, 8 * w)
            x = s.op("Add", s.op("Mul", x, gamma), beta)
            x = s.op("Relu", x) if relu else s.op("Add", x, skip)
    for i, o in ((8 * w, 4 * w), (4 * w, 2 * w)):
        x = s.op("LeakyRelu", s.conv(doubled(s, x), i, o), alpha=0.2)
    x = s.op("LeakyRelu", s.conv(x, 2 * w, w), alpha=0.2)
    x = s.op("Tanh", reflect_conv(s, x, w, 3, 7))
    s.op("Div", s.op("Add", x, s.keep(1.0)), s.keep(2.0), output="output")
    s.noise(512, 512)
    s.stored[-1].name = "emap"
    return s.model("output")


def separable(s: Sketch, x: str, inputs: int, outputs: int, stride: int = 1) -> str:
    for i, o, k, group, step in ((inputs, inputs, 3, inputs, stride), (inputs, outputs, 1, 1, 1)):
        x = s.conv(x, i, o, k, group=group, strides=[step] * 2)
        parts = [s.noise(o, scale=0.1, shift=1), s.noise(o, scale=0.1), s.noise(o, scale=0.1)]
        spread = s.keep(s.rng.uniform(0.5, 1.5, o))
        x = s.op("BatchNormalization", x, *parts, spread, epsilon=1e-5)
        x = s.op("PRelu", x, s.keep(s.rng.uniform(0.05, 0.4, (o, 1, 1))))
    return x


def modulated(s: Sketch, x: str, source: str, width: int) -> str:
    """A 3x3 convolution whose weights are modulated by the source and normalised again."""
    scale = s.op("Gemm", source, s.noise(width, 512), s.noise(width, shift=1), transB=1)
    weight = s.noise(width, width, 3, 3, scale=0.2)
    rows = s.op("Reshape", scale, s.ints(1, width, 1, 1))
    scaled = s.op("Mul", weight, rows)
    energy = s.op("ReduceSum", s.op("Mul", scaled, scaled), s.ints(1, 2, 3), keepdims=1)
    root = s.op("Sqrt", s.op("Add", energy, s.keep(1e-8)))
    return s.op("Conv", x, s.op("Div", scaled, root), pads=[1] * 4)


def mobile_like(width: int = 8, blocks: int = 2, size: int = 32) -> onnx.ModelProto:
    """A depthwise-separable U-net with PReLU, BatchNormalization and modulated weights."""
    s = Sketch(seed=4)
    x, source = s.input("target", 1, 3, size, size), s.input("source", 1, 512)
    stem = s.op("PRelu", s.conv(x, 3, width), s.keep(s.rng.uniform(0, 0.4, (width, 1, 1))))
    x = separable(s, stem, width, 2 * width, 2)
    for _ in range(blocks):
        x = s.op("Relu", modulated(s, x, source, 2 * width))
    x = separable(s, s.op("Concat", doubled(s, x), stem, axis=1), 3 * width, width)
    s.op("Sigmoid", s.conv(x, width, 3), output="output")
    return s.model("output")


def adaptive(s: Sketch, x: str, source: str, width: int, skip: str) -> str:
    """GHOST's and HyperSwap's layer: a blend of styles from the source and from the target."""
    norm = s.op("InstanceNormalization", x, s.keep(np.ones(width)), s.keep(np.zeros(width)))
    gains = []
    for shift in (1, 0):
        style = s.op("Gemm", source, s.noise(width, 512), s.noise(width, shift=shift), transB=1)
        column = s.op("Reshape", style, s.ints(1, -1, 1, 1))
        gains.append(s.op("Expand", column, s.op("Shape", norm)))
    identity = s.op("Add", s.op("Mul", gains[0], norm), gains[1])
    gamma, beta = (s.conv(skip, width, width, 1) for _ in range(2))
    attribute = s.op("Add", s.op("Mul", gamma, norm), beta)
    mask = s.op("Sigmoid", s.conv(norm, width, 1, 1))
    rest = s.op("Sub", s.keep(1.0), mask)
    return s.op("Add", s.op("Mul", rest, attribute), s.op("Mul", mask, identity))


def hyperswap_like(width: int = 8, size: int = 16) -> onnx.ModelProto:
    """HyperSwap in small: a 3x3 stem on 1x1, CRD, ConvTranspose, instance norms, edge padding."""
    s = Sketch(seed=5)
    target, source = s.input("target", 1, 3, size, size), s.input("source", 1, 512)
    w = width
    skip = s.op("LeakyRelu", s.conv(target, 3, w, 4, strides=[2, 2], pads=[1] * 4), alpha=0.1)
    seed = s.op("Reshape", source, s.ints(1, 512, 1, 1))
    x = s.op("DepthToSpace", s.conv(seed, 512, 4 * w), blocksize=2, mode="CRD")
    side = 2
    while side < size // 2:
        up = s.noise(w, w, 4, 4, scale=0.3)
        x = s.op("ConvTranspose", x, up, s.noise(w, scale=0.1), strides=[2, 2], pads=[1] * 4)
        side *= 2
    x = s.op("Relu", adaptive(s, x, source, w, skip))
    up = s.op("ConvTranspose", x, s.noise(w, w, 2, 2, scale=0.3), strides=[2, 2])
    padded = s.op("Pad", up, s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    face = s.op("Tanh", s.conv(padded, w, 3, pads=[0] * 4))
    mask = s.op("Sigmoid", s.conv(up, w, 1), output="mask")
    delta = s.op("Mul", s.op("Sub", face, target), mask)
    s.op("Add", target, delta, output="output")
    return s.model("output", "mask")


def reference_like(width: int = 8, size: int = 32) -> onnx.ModelProto:
    """The reference swapper in small: gain and shift per channel behind each convolution."""
    s = Sketch(seed=6)
    target, source = s.input("target", 1, 3, size, size), s.input("source", 1, 512)
    style = s.op("LeakyRelu", s.op("Gemm", source, s.noise(16, 512), s.noise(16), transB=1))
    x = s.op("LeakyRelu", s.conv(target, 3, width, 4, strides=[2, 2], pads=[1] * 4), alpha=0.1)
    for _ in range(2):
        y = s.op("Conv", x, s.noise(width, width, 3, 3, scale=0.1), pads=[1] * 4)
        for kind, shift in (("Mul", 1.0), ("Add", 0.0)):
            row = s.op(
                "Gemm", style, s.noise(width, 16, scale=0.2), s.noise(width, shift=shift), transB=1
            )
            y = s.op(kind, y, s.op("Unsqueeze", row, s.ints(2, 3)))
        x = s.op("LeakyRelu", s.op("Add", x, y), alpha=0.1)
    both = s.op("DepthToSpace", s.conv(x, width, 16), blocksize=2, mode="CRD")
    face, mask = s.split(s.op("Sigmoid", both), 3, 1)
    delta = s.op("Mul", s.op("Sub", face, target), mask)
    s.op("Add", target, delta, output="output")
    s.op("Identity", mask, output="mask")
    return s.model("output", "mask")


TOPOLOGIES: dict[str, Callable[[], onnx.ModelProto]] = {
    "inswapper": inswapper_like,
    "mobile": mobile_like,
    "hyperswap": hyperswap_like,
    "reference": reference_like,
}


def embedding(seed: int = 9) -> NDArray[np.float32]:
    """Return a source: float32 (1, 512) of unit length."""
    vector = np.random.default_rng(seed).standard_normal((1, 512))
    return (vector / np.linalg.norm(vector)).astype(np.float32)
