"""What the table of layers of an ncnn model asks for, held against this device's limits.

The engine makes room for as many layers, blobs and weights as the text says. Numbers of parameters
are those of ncnn's own documentation (docs/developer-guide/operators.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge.backends._model_limits import Counts
from edge.backends._onnx_limits import Refused, quoted

_MAGIC = "7767517"
_LEAVE = -233
"""What stands for "as it comes"."""

_WEIGHTS = {
    "Convolution": 6,
    "ConvolutionDepthWise": 6,
    "Convolution1D": 6,
    "Convolution3D": 6,
    "Deconvolution": 6,
    "DeconvolutionDepthWise": 6,
    "InnerProduct": 2,
    "Embed": 3,
    "Scale": 0,
    "Bias": 0,
    "BatchNorm": 0,
    "PReLU": 0,
}
"""Layers that read weights, and the parameter that says how many."""

_STORED = {"MemoryData": (0, 1, 11, 2)}
"""Layers that read one array, and the parameters with its sides."""

_SIZED = {
    "Input": (0, 1, 11, 2),
    "Reshape": (0, 1, 11, 2),
    "Interp": (1, 2, 3, 4),
    "Padding": (0, 1, 2, 3),
    "Tile": (1,),
    "PixelShuffle": (0,),
}
"""Layers whose output is as large as these parameters say."""


def check_layers(text: str, weights: int, counts: Counts) -> None:
    """Check a table of layers (`model.param`).

    Args:
        text: The table.
        weights: Bytes of the file with the weights.
        counts: What it may have.

    Raises:
        Refused: It asks for too much.
        ValueError: It is no such table.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0].strip() != _MAGIC:
        raise ValueError("it is no table of layers")
    layers, blobs = (int(word) for word in lines[1].split())
    if layers != len(lines) - 2 or blobs < 0:
        raise ValueError(f"it states {layers} layers, and has {len(lines) - 2}")
    counts.nodes(layers)
    counts.parts(blobs, "blobs")
    left = weights
    for line in lines[2:]:
        left -= _layer(line.split(), counts)
        if left < 0:
            raise Refused(f"it reads more weights than the {weights} bytes that it holds")


def _layer(words: Sequence[str], counts: Counts) -> int:
    """Check one layer; return the least bytes of weights that it reads."""
    kind, name = words[0], quoted(words[1].encode())
    taken, given = int(words[2]), int(words[3])
    if taken < 0 or given < 0 or len(words) < 4 + taken + given:
        raise ValueError(f"layer {name} names fewer blobs than it states")
    values = _values(words[4 + taken + given :])
    if kind in _SIZED:
        sides = [max(1, math.ceil(abs(values.get(key, 1)))) for key in _SIZED[kind]]
        sides = [1 if side == -_LEAVE else side for side in sides]
        counts.size(sides, 4, f"what its layer {name} makes")
    if kind in _STORED:
        sides = [int(values.get(key, 0)) or 1 for key in _STORED[kind]]
        counts.size(sides, 4, f"what its layer {name} holds")
        return math.prod(sides)  # a byte each at least, where they are packed
    if kind in _WEIGHTS:
        count = int(values.get(_WEIGHTS[kind], 0))
        if count == _LEAVE:
            return 0
        counts.size([count], 4, f"the weight of its layer {name}")
        return count
    return 0


def _values(words: Sequence[str]) -> Mapping[int, float]:
    """Return the numbers of a layer's parameters; those of lists are left out."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if "," not in value and value.lstrip("-")[:1].isdigit():
            found[int(key)] = float(value)
    return found
