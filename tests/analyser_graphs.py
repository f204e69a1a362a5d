"""Seeded graphs with the contracts of the models that look at faces.

The insides are made up, of the operators that such networks have: convolutions at a width that
takes milliseconds. Names, shapes, ranges and the number of outputs are those of each family.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnx

from edge.cards import find_card
from edge.recorded import record
from tests.quantize.graphs import Sketch

STRIDES = (8, 16, 32)
POINTS = 68


def _body(s: Sketch, x: str, widths: Sequence[int]) -> str:
    """Convolutions with batch norm, each of which halves the picture."""
    for i, o in itertools.pairwise(widths):
        x = s.conv(x, i, o, strides=[2, 2])
        parts = [s.noise(o, scale=0.1, shift=1), s.noise(o, scale=0.1), s.noise(o, scale=0.1)]
        x = s.op("BatchNormalization", x, *parts, s.keep(s.rng.uniform(0.5, 1.5, o)))
        x = s.op("Relu", x)
    return x


def _levels(s: Sketch, x: str) -> list[tuple[str, int]]:
    """Return the features of the three strides, and their width."""
    found = [_body(s, x, (3, 4, 8, 8))]
    for _ in STRIDES[1:]:
        found.append(_body(s, found[-1], (8, 8)))
    return [(each, 8) for each in found]


def _rows(s: Sketch, x: str, width: int, *shape: int, output: str = "", last: str = "") -> str:
    """Bring (1, C, H, W) to rows, one for each box; `last` is an operator behind it."""
    x = s.conv(x, width, shape[0], 1)
    if last == "Sigmoid":  # scores: mostly low, as a trained one's are where no face is
        x = s.op("Sub", x, s.keep(6.0))
    x = s.op("Transpose", x, perm=[0, 2, 3, 1])
    x = s.op("Reshape", x, s.ints(*shape[1:]), output="" if last else output)
    return s.op(last, x, output=output) if last else x


def scrfd() -> onnx.ModelProto:
    """Two boxes in each cell; names are numbers that mean nothing, in the order of the exports."""
    s = Sketch(opset=11, seed=21)
    levels = _levels(s, s.input("input.1", 1, 3, "?", "?"))
    names: list[str] = []
    for number, (each, last) in enumerate(((1, "Sigmoid"), (4, "Relu"), (10, ""))):
        for place, (x, width) in enumerate(levels):
            names.append(str(448 + 23 * place + 3 * number))
            _rows(s, x, width, 2 * each, -1, each, output=names[-1], last=last)
    return s.model(*names)


def retinaface() -> onnx.ModelProto:
    """Offsets, shares of background and face, and landmarks, of all strides together."""
    s = Sketch(opset=11, seed=22)
    levels = _levels(s, s.input("input0", 1, 3, "height", "width"))
    for name, each in (("bbox", 4), ("conf", 2), ("landmark", 10)):
        rows = [_rows(s, x, width, 2 * each, 1, -1, each) for x, width in levels]
        if each != 2:
            s.op("Concat", *rows, axis=1, output=name)
            continue
        # Heavily for the background, as a trained one is of a picture without a face.
        odds = s.op("Add", s.op("Concat", *rows, axis=1), s.keep([6.0, 0.0]))
        s.op("Softmax", odds, axis=-1, output=name)
    return s.model("bbox", "conf", "landmark")


def yoloface() -> onnx.ModelProto:
    """One output of 20 rows: box, score, and five points with how well each is seen."""
    s = Sketch(opset=17, seed=23)
    levels = _levels(s, s.input("images", 1, 3, 640, 640))
    rows = [s.op("Reshape", s.conv(x, w, 20, 1), s.ints(1, 20, -1)) for x, w in levels]
    low = s.keep(np.reshape([0.0] * 4 + [6.0] + [0.0] * 15, (1, 20, 1)))
    shares = s.op("Sigmoid", s.op("Sub", s.op("Concat", *rows, axis=2), low))
    sides = [640.0] * 4 + [1.0] + [640.0, 640.0, 1.0] * 5
    s.op("Mul", shares, s.keep(np.reshape(sides, (1, 20, 1))), output="output0")
    return s.model("output0")


def fan4() -> onnx.ModelProto:
    """2DFAN-4: the places of the highest cells, and the heatmaps."""
    s = Sketch(opset=14, seed=24)
    x = _body(s, s.input("input", 1, 3, 256, 256), (3, 8, 8))
    maps = s.op("Sigmoid", s.conv(x, 8, POINTS, 1), output="heatmaps")
    flat = s.op("Reshape", maps, s.ints(1, POINTS, 64 * 64))
    rows, columns = np.mgrid[:64, :64].reshape(2, -1)
    sharp = s.op("Softmax", s.op("Mul", flat, s.keep(30.0)), axis=-1)
    places = s.op("MatMul", sharp, s.keep(np.stack([columns, rows], axis=1)))
    best = s.op("ReduceMax", flat, axes=[2], keepdims=1)
    s.op("Concat", places, best, axis=2, output="landmarks")
    return s.model("landmarks", "heatmaps")


def peppa() -> onnx.ModelProto:
    """Points in cells of 64, with a score each."""
    s = Sketch(opset=11, seed=25)
    x = _body(s, s.input("input", 1, 3, 256, 256), (3, 4, 8, 8))
    flat = s.op("Flatten", s.op("GlobalAveragePool", x))
    weight = s.noise(3 * POINTS, 8, scale=0.3)
    rows = s.op("Gemm", flat, weight, s.noise(3 * POINTS), transB=1)
    shares = s.op("Reshape", s.op("Sigmoid", rows), s.ints(1, POINTS, 3))
    s.op("Mul", shares, s.keep([64.0, 64.0, 1.0]), output="output")
    return s.model("output")


def fan_68_5() -> onnx.ModelProto:
    """68 points guessed from five."""
    s = Sketch(opset=11, seed=26)
    x = s.op("Flatten", s.input("input", 1, 5, 2))
    for i, o in ((10, 16), (16, 2 * POINTS)):
        x = s.op("Gemm", x, s.noise(o, i, scale=i**-0.5), s.noise(o, scale=0.1), transB=1)
        x = s.op("Relu", x) if o < 2 * POINTS else s.op("Sigmoid", x)
    s.op("Reshape", x, s.ints(1, POINTS, 2), output="output")
    return s.model("output")


def xseg(seed: int) -> onnx.ModelProto:
    """A mask in [0, 1]; pictures are channels-last, in and out."""
    s = Sketch(opset=13, seed=seed)
    x = s.op("Transpose", s.input("in_face:0", 1, 256, 256, 3), perm=[0, 3, 1, 2])
    x = _body(s, x, (3, 4, 8))
    for i, o in ((8, 4), (4, 1)):
        weight = s.noise(i, o, 4, 4, scale=(4 * i) ** -0.5)
        x = s.op("ConvTranspose", x, weight, strides=[2, 2], pads=[1] * 4)
        x = s.op("Relu" if o > 1 else "Sigmoid", x)
    s.op("Transpose", x, perm=[0, 2, 3, 1], output="out_mask:0")
    return s.model("out_mask:0")


def bisenet(seed: int) -> onnx.ModelProto:
    """Logits of 19 regions, and two coarser heads that are for training."""
    s = Sketch(opset=11, seed=seed)
    x = _body(s, s.input("input", 1, 3, 512, 512), (3, 4, 8, 8))
    for output in ("output", "output16", "output32"):
        roi, scales = s.keep([]), s.keep([1, 1, 8, 8])
        s.op(
            "Resize", s.conv(x, 8, 19, 1), roi, scales, output=output, mode="linear",
            coordinate_transformation_mode="align_corners",
        )  # fmt: skip
    return s.model("output", "output16", "output32")


BUILDERS: dict[str, Callable[[], onnx.ModelProto]] = {
    "scrfd_2.5g": scrfd,
    "scrfd_10g": scrfd,
    "retinaface_r50": retinaface,
    "yoloface_8n": yoloface,
    "2dfan4": fan4,
    "peppa_wutz": peppa,
    "fan_68_5": fan_68_5,
    "xseg_1": partial(xseg, 27),
    "xseg_2": partial(xseg, 28),
    "xseg_3": partial(xseg, 29),
    "bisenet_resnet_18": partial(bisenet, 30),
    "bisenet_resnet_34": partial(bisenet, 31),
}
"""A narrow graph for every card of a detector, landmarker or masker that states no hash."""


@cache
def model_bytes(name: str) -> bytes:
    """Return the graph for a card, serialised."""
    return bytes(BUILDERS[name]().SerializeToString())


def install(home: Path, name: str) -> Path:
    """Add a stand-in to a user's folders, and record its hash."""
    data = model_bytes(name)
    path = home / "data" / "models" / find_card(name).file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    record(name, hashlib.sha256(data).hexdigest(), len(data))
    return path
