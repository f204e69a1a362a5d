"""Seeded graphs with the contracts of the swap models that people use.

Where the layers of a family are known, its graph has the same ones in the same number, at a
fraction of their width; `part=1` is the full width, for benches. The others are stand-ins: inputs,
outputs, shapes and ranges are those of the family, the insides are made up.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import onnx

from edge.cards import find_card
from edge.recorded import record
from tests.quantize.graphs import Sketch, decomposed_norm

LENGTH = 512
AAD_WIDTHS = (32, 64, 128, 256, 512, 1024, 1024)


def _reflect(s: Sketch, x: str, by: int) -> str:
    return s.op("Pad", x, s.ints(0, 0, by, by, 0, 0, by, by), mode="reflect")


def _twice(s: Sketch, x: str, coords: str = "half_pixel") -> str:
    roi = "" if s.opset >= 13 else s.keep([])
    scales = s.keep([1, 1, 2, 2])
    return s.op("Resize", x, roi, scales, mode="linear", coordinate_transformation_mode=coords)


def _gemm(
    s: Sketch, x: str, inputs: int, outputs: int, *, gain: float = 1.0, shift: float = 0.0
) -> str:
    weight = s.noise(outputs, inputs, scale=gain * inputs**-0.5)
    return s.op("Gemm", x, weight, s.noise(outputs, scale=0.1, shift=shift), transB=1)


def _unit(s: Sketch, x: str, output: str) -> str:
    """Tanh brought to [0, 1], as inswapper ends."""
    tanh = s.op("Tanh", x)
    return s.op("Div", s.op("Add", tanh, s.keep(1.0)), s.keep(2.0), output=output)


def _inputs(s: Sketch, size: int, batch: int | str = 1) -> tuple[str, str]:
    return s.input("target", batch, 3, size, size), s.input("source", batch, LENGTH)


def inswapper(
    part: int = 32, size: int = 128, batch: int | str = 1, emap: bool = True
) -> onnx.ModelProto:
    """inswapper_128 and ReSwapper; the emap lies among the weights, unread, not at their end."""
    s = Sketch(opset=11, seed=3)
    target, source = _inputs(s, size, batch)
    w = 128 // part
    x = _reflect(s, target, 3)
    layers = (
        (3, w, 7, 1, 0),
        (w, 2 * w, 3, 1, 1),
        (2 * w, 4 * w, 3, 2, 1),
        (4 * w, 8 * w, 3, 2, 1),
    )
    for i, o, k, stride, pad in layers:
        x = s.op("LeakyRelu", s.conv(x, i, o, k, strides=[stride] * 2, pads=[pad] * 4), alpha=0.2)
    if emap:
        s.noise(LENGTH, LENGTH)
        s.stored[-1].name = "buff2fs"
    for _ in range(6):
        skip = x
        for last in (False, True):
            x = s.conv(_reflect(s, x, 1), 8 * w, 8 * w, 3, pads=[0] * 4)
            x = decomposed_norm(s, x)
            style = _gemm(s, source, LENGTH, 16 * w, gain=4.0, shift=0.3)
            style = s.op("Unsqueeze", style, axes=[2, 3])
            gain, shift = (_slice(s, style, n * 8 * w, (n + 1) * 8 * w) for n in (0, 1))
            x = s.op("Add", s.op("Mul", x, gain), shift)
            x = s.op("Add", skip, x) if last else s.op("Relu", x)
    for i, o, larger in ((8 * w, 4 * w, True), (4 * w, 2 * w, True), (2 * w, w, False)):
        x = s.op("LeakyRelu", s.conv(_twice(s, x) if larger else x, i, o), alpha=0.2)
    _unit(s, s.conv(_reflect(s, x, 3), w, 3, 7, pads=[0] * 4), "output")
    return s.model("output")


def _slice(s: Sketch, x: str, start: int, stop: int) -> str:
    return s.op("Slice", x, s.ints(start), s.ints(stop), s.ints(1))


def simswap(part: int = 16, size: int = 256, batch: int | str = 1) -> onnx.ModelProto:
    """SimSwap: nine blocks of x * (1 + gain) + shift; its batch norms are folded."""
    s = Sketch(opset=11, seed=4)
    target, source = _inputs(s, size, batch)
    w = 64 // part
    widths = [w // 2] * (size == 512) + [w, 2 * w, 4 * w, 8 * w]
    x = s.op("Relu", s.conv(_reflect(s, target, 3), 3, widths[0], 7, pads=[0] * 4))
    for i, o in itertools.pairwise(widths):
        x = s.op("Relu", s.conv(x, i, o, strides=[2, 2]))
    top = widths[-1]
    for _ in range(9):
        skip = x
        for last in (False, True):
            x = decomposed_norm(s, s.conv(_reflect(s, x, 1), top, top, 3, pads=[0] * 4))
            style = s.op("Unsqueeze", _gemm(s, source, LENGTH, 2 * top, gain=4.0), axes=[2, 3])
            gain, shift = (_slice(s, style, n * top, (n + 1) * top) for n in (0, 1))
            x = s.op("Add", s.op("Mul", x, s.op("Add", gain, s.keep(1.0))), shift)
            x = s.op("Add", skip, x) if last else s.op("Relu", x)
    for i, o in itertools.pairwise(reversed(widths)):
        x = s.op("Relu", s.conv(_twice(s, x), i, o))
    _unit(s, s.conv(_reflect(s, x, 3), widths[0], 3, 7, pads=[0] * 4), "output")
    return s.model("output")


def _blend(s: Sketch, x: str, attributes: str, source: str, width: int, given: int) -> str:
    """GHOST's layer: normalised, then a mix of what the target and what the source makes of it."""
    if isinstance(s, BlendSketch):
        norm, kernel = _batch_norm(s, x, width), 3
    else:
        norm = s.op("InstanceNormalization", x, s.keep([1.0] * width), s.keep([0.0] * width))
        kernel = 1
    by = [s.conv(attributes, given, width, kernel) for _ in range(2)]
    by_target = s.op("Add", s.op("Mul", by[0], norm), by[1])
    sides = []
    for shift in (1.0, 0.0):
        style = _gemm(s, source, LENGTH, width, gain=4.0, shift=shift)
        sides.append(s.op("Expand", s.op("Unsqueeze", style, s.ints(2, 3)), s.op("Shape", norm)))
    by_source = s.op("Add", s.op("Mul", sides[0], norm), sides[1])
    mask = s.op("Sigmoid", s.conv(norm, width, 1, 1))
    rest = s.op("Sub", s.keep(1.0), mask)
    return s.op("Add", s.op("Mul", rest, by_target), s.op("Mul", mask, by_source))


def _thin(s: Sketch, x: str, inputs: int, outputs: int) -> str:
    weight = s.noise(outputs, inputs, 3, 3, scale=(9 * inputs) ** -0.5)
    return s.op("Conv", x, weight, pads=[1] * 4)


def _aad_block(
    s: Sketch, x: str, attributes: str, source: str, widths: Sequence[int], depth: int
) -> str:
    i, o, given = widths
    y = x
    for outputs in [i] * (depth - 1) + [o]:
        y = _thin(s, s.op("Relu", _blend(s, y, attributes, source, i, given)), i, outputs)
    if i != o:
        x = _thin(s, s.op("Relu", _blend(s, x, attributes, source, i, given)), i, o)
    return s.op("Add", x, y)


def _attributes(
    s: Sketch, target: str, widths: Sequence[int], coords: str
) -> tuple[list[str], list[int]]:
    skips, x = [], target
    for i, o in itertools.pairwise((3, *widths)):
        x = s.op("LeakyRelu", s.conv(x, i, o, 4, strides=[2, 2], pads=[1] * 4), alpha=0.1)
        skips.append(x)
    maps, channels, inputs = [x], [widths[-1]], widths[-1]
    for width, skip in zip(widths[-2::-1], skips[-2::-1], strict=True):
        weight = s.noise(inputs, width, 4, 4, scale=(4 * inputs) ** -0.5)
        x = s.op(
            "ConvTranspose", x, weight, s.noise(width, scale=0.1), strides=[2, 2], pads=[1] * 4
        )
        if isinstance(s, BlendSketch):
            x = _batch_norm(s, x, width)  # exporters fold it into convolutions alone
        x = s.op("Concat", s.op("LeakyRelu", x, alpha=0.1), skip, axis=1)
        inputs = 2 * width
        maps.append(x)
        channels.append(inputs)
    return [*maps, _twice(s, x, coords)], [*channels, inputs]


def _aad(
    s: Sketch, x: str, target: str, source: str, widths: Sequence[int], depth: int, coords: str
) -> tuple[str, str]:
    """Return the picture before its Tanh, and the last map of attributes."""
    maps, channels = _attributes(s, target, widths, coords)
    x = x or maps[0]
    top = widths[-1]
    outputs = [top] * 4 + [top // n for n in (2, 4, 8, 16)] + [3]
    for number, (i, o, given, attributes) in enumerate(
        zip(outputs[:-1], outputs[1:], channels, maps, strict=True)
    ):
        x = _twice(s, x, coords) if number else x
        x = _aad_block(s, x, attributes, source, (i, o, given), depth)
    return x, maps[-1]


def ghost(part: int = 64, depth: int = 1, batch: int | str = 1) -> onnx.ModelProto:
    """GHOST with `depth` blends per block; batch norms folded."""
    s = Sketch(opset=16, seed=5)
    target, source = _inputs(s, 256, batch)
    widths = [max(1, width // part) for width in AAD_WIDTHS]
    seed = s.op("Unsqueeze", source, s.ints(2, 3))
    x = s.op("ConvTranspose", seed, s.noise(LENGTH, widths[-1], 2, 2, scale=0.5))
    x, _ = _aad(s, x, target, source, widths, depth, "align_corners")
    s.op("Tanh", x, output="output")
    return s.model("output")


def hyperswap(part: int = 64, batch: int | str = 1) -> onnx.ModelProto:
    """HyperSwap: two blends per block, its own mask, composited in the graph."""
    s = Sketch(opset=17, seed=6)
    target, source = _inputs(s, 256, batch)
    widths = [max(1, width // part) for width in AAD_WIDTHS]
    seed = s.conv(s.op("Unsqueeze", source, s.ints(2, 3)), LENGTH, 4 * widths[-1])
    x = s.op("DepthToSpace", seed, blocksize=2, mode="CRD")
    x, attributes = _aad(s, x, target, source, widths, 2, "half_pixel")
    picture = s.op("Tanh", x)
    mask = _mask_net(s, s.op("Concat", picture, attributes, axis=1), 3 + 2 * widths[0])
    rest = s.op("Sub", s.keep(1.0), mask)
    s.op("Add", s.op("Mul", picture, mask), s.op("Mul", target, rest), output="output")
    s.op("Identity", mask, output="mask")
    return s.model("output", "mask")


def _mask_net(s: Sketch, x: str, inputs: int, w: int = 16) -> str:
    for i, o in ((inputs, w), (w, 2 * w), (2 * w, 4 * w)):
        x = s.op("LeakyRelu", s.conv(x, i, o), alpha=0.1)
        x = s.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    for i, o, last in ((4 * w, 2 * w, 2 * w), (2 * w, w, w), (w, w, 1)):
        up = s.op("ConvTranspose", x, s.noise(i, o, 2, 2, scale=i**-0.5), strides=[2, 2])
        x = s.conv(s.op("LeakyRelu", up, alpha=0.1), o, last)
    mask = s.op("Neg", s.op("Sigmoid", x))
    wide = s.op("Pad", mask, s.ints(0, 0, 3, 3, 0, 0, 3, 3), mode="edge")
    return s.op("Neg", s.op("MaxPool", wide, kernel_shape=[7, 7]))


def mobilefaceswap(part: int = 8) -> onnx.ModelProto:
    """MobileFaceSwap's runtime network: the identity is in its weights."""
    s = Sketch(opset=11, seed=7)
    target = s.input("target", 1, 3, 224, 224)
    widths = [max(1, width // part) for width in (32, 64, 128, 256, 512)]
    half = s.keep(0.5)
    x = s.op("Div", s.op("Sub", target, half), half)
    skips = []
    for i, o in itertools.pairwise((3, *widths)):
        x = s.conv(x, i, i, 4, group=i, strides=[2, 2], pads=[1] * 4)
        x = s.op("LeakyRelu", s.conv(x, i, o, 1), alpha=0.1)
        skips.append(x)
    deep, inputs = x, widths[-1]
    for o, skip in zip(widths[-2::-1], skips[-2::-1], strict=True):
        x = s.conv(_twice(s, x, "align_corners"), inputs, inputs, group=inputs)
        x = s.op("Concat", s.op("LeakyRelu", s.conv(x, inputs, o, 1), alpha=0.1), skip, axis=1)
        inputs = 2 * o
    wide = s.op("LeakyRelu", s.conv(x, inputs, 32, 1), alpha=0.1)
    wide = s.op("DepthToSpace", wide, blocksize=2, mode="CRD")
    face = _unit(s, s.conv(s.op("LeakyRelu", s.conv(wide, 8, 3), alpha=0.1), 3, 3), "face")
    inputs = widths[-1]
    for o in (*(width // 2 for width in widths[-2::-1]), 1):
        deep = s.conv(_twice(s, deep, "align_corners"), inputs, inputs, group=inputs)
        deep = s.op("LeakyRelu", s.conv(deep, inputs, o, 1), alpha=0.1)
        inputs = o
    mask = s.op("Sigmoid", s.conv(deep, 1, 1), output="mask")
    delta = s.op("Mul", s.op("Sub", face, target), mask)
    s.op("Add", target, delta, output="output")
    return s.model("output", "mask")


def mobilefaceswap_open(part: int = 8) -> onnx.ModelProto:
    """MobileFaceSwap before an identity is compiled in: a picture of the source makes its weights.

    The encoder is a stand-in; from its features come the depthwise kernels of the decoder, and from
    its embedding the scales of the 1x1 convolutions, each brought back to unit length.
    """
    s = Sketch(opset=13, seed=13)
    target, source = s.input("target", 1, 3, 224, 224), s.input("source", 1, 3, 112, 112)
    features = _encoder(s, source, (3, 4, 8, 8, 8))  # 7 x 7, as the real one's
    who = s.op("Flatten", s.op("GlobalAveragePool", features))
    widths = [max(1, width // part) for width in (32, 64, 128)]
    x, skips = target, []
    for i, o in itertools.pairwise((3, *widths)):
        x = s.op("LeakyRelu", s.conv(x, i, o, 4, strides=[2, 2], pads=[1] * 4), alpha=0.1)
        skips.append(x)
    inputs = widths[-1]
    for o, skip in zip((*widths[-2::-1], 4), (*skips[-2::-1], ""), strict=True):
        kernels = s.op("AveragePool", s.conv(features, 8, inputs, 1), kernel_shape=[5, 5])
        kernels = s.op("Transpose", kernels, perm=[1, 0, 2, 3])
        x = s.op("Conv", _twice(s, x, "align_corners"), kernels, group=inputs, pads=[1] * 4)
        x = s.op("LeakyRelu", _modulated(s, x, who, inputs, o), alpha=0.1)
        x, inputs = (s.op("Concat", x, skip, axis=1), 2 * o) if skip else (x, o)
    face, mask = s.split(s.op("Sigmoid", x), 3, 1)
    s.op("Identity", mask, output="mask")
    s.op("Add", target, s.op("Mul", s.op("Sub", face, target), mask), output="output")
    return s.model("output", "mask")


def _modulated(s: Sketch, x: str, who: str, inputs: int, outputs: int) -> str:
    """A 1x1 convolution: weight * (1 + scale), divided by its length."""
    scale = s.op("Reshape", _gemm(s, who, 8, inputs, shift=1.0), s.ints(1, inputs, 1, 1))
    weight = s.op("Mul", s.noise(outputs, inputs, 1, 1), scale)
    energy = s.op("ReduceSum", s.op("Mul", weight, weight), s.ints(1, 2, 3), keepdims=1)
    root = s.op("Sqrt", s.op("Add", energy, s.keep(1e-8)))
    return s.op("Conv", x, s.op("Div", weight, root))


def crossface(part: int = 32) -> onnx.ModelProto:
    """A converter: unit length, four layers with layer norm and GELU, and a linear way around."""
    s = Sketch(opset=14, seed=8)
    raw = s.input("input", 1, LENGTH)
    length = s.op("ReduceL2", raw, axes=[1], keepdims=1)
    unit = s.op("Div", raw, length)
    widths = (LENGTH, 1024 // part, 2048 // part, 1024 // part, LENGTH)
    x = unit
    for number, (i, o) in enumerate(itertools.pairwise(widths)):
        x = _gemm(s, x, i, o, gain=3.0)
        if number < 3:
            x = _gelu(s, _layer_norm(s, x, o))
    around = s.op("Mul", _gemm(s, unit, LENGTH, LENGTH), s.keep(0.2))
    s.op("Add", x, around, output="output")
    return s.model("output")


def _layer_norm(s: Sketch, x: str, width: int) -> str:
    centred = s.op("Sub", x, s.op("ReduceMean", x, axes=[-1], keepdims=1))
    square = s.op("Pow", centred, s.keep(2.0))
    variance = s.op("Add", s.op("ReduceMean", square, axes=[-1], keepdims=1), s.keep(1e-5))
    normal = s.op("Div", centred, s.op("Sqrt", variance))
    return s.op("Add", s.op("Mul", normal, s.noise(width, shift=1, scale=0.1)), s.noise(width))


def _gelu(s: Sketch, x: str) -> str:
    erf = s.op("Erf", s.op("Div", x, s.keep(2**0.5)))
    half = s.op("Mul", x, s.op("Add", erf, s.keep(1.0)))
    return s.op("Mul", half, s.keep(0.5))


def arcface(input_name: str = "input") -> onnx.ModelProto:
    """A stand-in for a recogniser: it gives raw embeddings, not of unit length."""
    s = Sketch(opset=11, seed=9)
    x = _encoder(s, s.input(input_name, 1, 3, 112, 112), (3, 4, 8, 8))
    flat = s.op("Flatten", s.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))
    _named_gemm(s, flat, 8 * 7 * 7, "683")
    return s.model("683")


def _named_gemm(s: Sketch, x: str, inputs: int, output: str) -> str:
    weight = s.noise(LENGTH, inputs, scale=3 * inputs**-0.5)
    return s.op("Gemm", x, weight, s.noise(LENGTH, scale=0.1), transB=1, output=output)


def _encoder(s: Sketch, x: str, widths: Sequence[int]) -> str:
    for i, o in itertools.pairwise(widths):
        x = s.conv(x, i, o, strides=[2, 2])
        parts = [s.noise(o, scale=0.1, shift=1), s.noise(o, scale=0.1), s.noise(o, scale=0.1)]
        x = s.op("BatchNormalization", x, *parts, s.keep(s.rng.uniform(0.5, 1.5, o)))
        x = s.op("PRelu", x, s.keep(s.rng.uniform(0.1, 0.4, (o, 1, 1))))
    return x


def uniface() -> onnx.ModelProto:
    """A stand-in: two pictures, attention between their features, values in [-1, 1]."""
    s = Sketch(opset=13, seed=10)
    pictures = [s.input(name, 1, 3, 256, 256) for name in ("target", "source")]
    deep, rows = [], []
    for picture in pictures:
        deep.append(_encoder(s, picture, (3, 4, 8, 8, 8)))
        rows.append(s.op("Transpose", s.op("Reshape", deep[-1], s.ints(1, 8, 256)), perm=[0, 2, 1]))
    keys = s.op("Transpose", rows[1], perm=[0, 2, 1])
    shares = s.op("Softmax", s.op("MatMul", rows[0], keys), axis=-1)
    mixed = s.op("Transpose", s.op("MatMul", shares, rows[1]), perm=[0, 2, 1])
    x = s.op("Add", deep[0], s.op("Reshape", mixed, s.ints(1, 8, 16, 16)))
    for i, o in ((8, 8), (8, 8), (8, 4), (4, 3)):
        weight = s.noise(i, o, 4, 4, scale=(4 * i) ** -0.5)
        x = s.op("ConvTranspose", x, weight, strides=[2, 2], pads=[1] * 4)
    s.op("Tanh", x, output="output")
    return s.model("output")


def _iresnet(s: Sketch, x: str, part: int) -> str:
    """IR-100, the recogniser: 49 blocks, batch norms folded where a convolution is before them."""
    widths = [max(1, width // part) for width in (64, 64, 128, 256, 512)]

    def prelu(x: str, width: int) -> str:
        return s.op("PRelu", x, s.keep(s.rng.uniform(0.1, 0.4, (width, 1, 1))))

    x = prelu(s.conv(x, 3, widths[0]), widths[0])
    for (i, o), blocks in zip(itertools.pairwise(widths), (3, 13, 30, 3), strict=True):
        for number in range(blocks):
            inputs, stride = (o, 1) if number else (i, 2)
            y = s.conv(_batch_norm(s, x, inputs), inputs, o)
            y = s.conv(prelu(y, o), o, o, strides=[stride] * 2)
            around = x if number else s.conv(x, inputs, o, 1, strides=[2, 2])
            x = s.op("Add", s.op("Mul", y, s.keep(0.3)), around)
    flat = s.op("Flatten", _batch_norm(s, x, widths[-1]))
    weight = s.noise(LENGTH, 49 * widths[-1], scale=(49 * widths[-1]) ** -0.5)
    return _batch_norm(s, s.op("Gemm", flat, weight, s.noise(LENGTH), transB=1), LENGTH)


def _batch_norm(s: Sketch, x: str, width: int) -> str:
    gain, shift, mean = s.noise(width, scale=0.1, shift=1), s.noise(width), s.noise(width)
    spread = s.keep(s.rng.uniform(0.5, 1.5, width))
    return s.op("BatchNormalization", x, gain, shift, mean, spread)


class BlendSketch(Sketch):
    """Layers as BlendSwap has them: batch norms, and attributes read by 3x3 convolutions."""


def blendswap(part: int = 64) -> onnx.ModelProto:
    """BlendSwap: the recogniser is in the graph, the picture is composited with its own mask.

    It starts from the deepest features of the target. How it makes its mask is not known: here, by
    one convolution of the last map of attributes.
    """
    s = BlendSketch(opset=13, seed=11)
    target, source = s.input("target", 1, 3, 256, 256), s.input("source", 1, 3, 112, 112)
    who = _iresnet(s, source, part)
    widths = [max(1, width // part) for width in AAD_WIDTHS]
    x, attributes = _aad(s, "", target, who, widths, 2, "half_pixel")
    face = s.op("Sigmoid", x)
    mask = s.op("Sigmoid", s.conv(attributes, 2 * widths[0], 1, 1))
    delta = s.op("Mul", s.op("Sub", face, target), mask)
    s.op("Add", target, delta, output="output")
    return s.model("output")


def hififace() -> onnx.ModelProto:
    """A stand-in: values in [-1, 1], and a second output that is of no use."""
    s = Sketch(opset=13, seed=12)
    target, source = _inputs(s, 256)
    style = s.op("Unsqueeze", _gemm(s, source, LENGTH, 8, gain=4.0), s.ints(2, 3))
    x = s.op("Add", _encoder(s, target, (3, 8, 8)), style)
    weight = s.noise(8, 3, 4, 4, scale=0.3)
    small = s.op("ConvTranspose", x, weight, strides=[2, 2], pads=[1] * 4, output="small")
    s.op("Tanh", _twice(s, small), output="output")
    return s.model("output", "small")


def _inswapper_fp16() -> onnx.ModelProto:
    """Weights in half precision, cast where they are read; the emap too."""
    import numpy as np
    from onnx import helper, numpy_helper

    model = inswapper()
    nodes = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2:
            continue
        name = tensor.name
        half = numpy_helper.from_array(values.astype(np.float16), name)
        if name != "buff2fs":
            half.name = f"{name}_half"
            nodes.append(helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(half)
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    return model


BUILDERS: dict[str, Callable[[], onnx.ModelProto]] = {
    "inswapper_128": inswapper,
    "inswapper_128_fp16": _inswapper_fp16,
    "reswapper_128": inswapper,
    "reswapper_256": partial(inswapper, size=256),
    "simswap_256": simswap,
    "simswap_unofficial_512": partial(simswap, size=512),
    "ghost_1_256": ghost,
    "ghost_2_256": partial(ghost, depth=2),
    "ghost_3_256": partial(ghost, depth=3),
    "hififace_unofficial_256": hififace,
    "hyperswap_1a_256": hyperswap,
    "hyperswap_1b_256": hyperswap,
    "hyperswap_1c_256": hyperswap,
    "uniface_256": uniface,
    "blendswap_256": blendswap,
    "mobilefaceswap_224": mobilefaceswap,
    "crossface_simswap": crossface,
    "crossface_ghost": crossface,
    "crossface_hififace": crossface,
    "arcface_w600k_r50": arcface,
}
"""A narrow graph for every card of a swap model, converter or recogniser that is not shipped."""

FULL: dict[str, Callable[[], onnx.ModelProto]] = {
    "inswapper_128": partial(inswapper, part=1),
    "reswapper_256": partial(inswapper, part=1, size=256),
    "simswap_256": partial(simswap, part=1),
    "simswap_unofficial_512": partial(simswap, part=1, size=512),
    "ghost_1_256": partial(ghost, part=1),
    "ghost_2_256": partial(ghost, part=1, depth=2),
    "ghost_3_256": partial(ghost, part=1, depth=3),
    "hyperswap_1a_256": partial(hyperswap, part=1),
    "blendswap_256": partial(blendswap, part=1),
    "mobilefaceswap_224": partial(mobilefaceswap, part=1),
    "crossface_simswap": partial(crossface, part=1),
}
"""The same at full width, where the layers are known; up to a gigabyte each."""


@cache
def model_bytes(name: str) -> bytes:
    """Return the narrow graph for a card, serialised."""
    return bytes(BUILDERS[name]().SerializeToString())


def install(home: Path, name: str, data: bytes | None = None) -> Path:
    """Add a model to a user's folders, and record its hash, for a card that states none.

    Args:
        home: The user's folders.
        name: Card name.
        data: The model; the narrow graph for the card by default.
    """
    data = model_bytes(name) if data is None else data
    path = home / "data" / "models" / find_card(name).file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    record(name, hashlib.sha256(data).hexdigest(), len(data))
    return path


def install_with_needs(home: Path, name: str) -> Path:
    """Add a model, and the converter and recogniser that its card names."""
    card = find_card(name)
    path = install(home, name)
    if card.source is not None:
        for other in (card.source.converter, card.source.recogniser):
            if other:
                install(home, other)
    return path
