"""Random inputs for a model: like what it will be fed, as far as that is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from edge.backends._interpreter import is_picture_last
from quantize.errors import GraphError
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import shape_of

Feeds = dict[str, NDArray[Any]]

_DYNAMIC_SIDE = 64  # pixels for a side that the model leaves open: deep enough for five halvings
_GRIDS = ((3, 0.6), (9, 0.3), (27, 0.1))  # coarse cells and their share: smooth, but not flat


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What one input of a model is fed.

    Attributes:
        kind: "picture" (smooth, per channel), "unit" (Gaussian vectors of unit length), or
            "uniform" (independent numbers).
        low: smallest value; not for "unit".
        high: largest value; not for "unit".
        shape: sizes to draw where the model leaves them open; the model's own when None.
    """

    kind: Literal["picture", "unit", "uniform"] = "uniform"
    low: float = 0.0
    high: float = 1.0
    shape: tuple[int, ...] | None = None


def channels_first(feeds: Mapping[str, NDArray[Any]]) -> Feeds:
    """Turn pictures of (1, H, W, C) into (1, C, H, W), for engines that are fed nothing else.

    A backend for .tflite files tells by the same shapes that it keeps a picture's channels last,
    and moves them there itself.
    """
    return {
        name: np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        if is_picture_last(array.shape)
        else array
        for name, array in feeds.items()
    }


def default_spec(value: onnx.ValueInfoProto) -> InputSpec:
    """Say what an input is fed of which no card tells anything.

    1. Four axes with 3 channels (first or last): a picture in [0, 1].
    2. Two axes, 1 x N: a vector of unit length.
    3. Anything else: numbers in [0, 1].
    """
    shape = shape_of(value) or ()
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return InputSpec("picture")
    if len(shape) == 2 and shape[0] in (1, None):
        return InputSpec("unit")
    return InputSpec("uniform")


def _sizes(value: onnx.ValueInfoProto, spec: InputSpec) -> tuple[int, ...]:
    declared = shape_of(value)
    if spec.shape is not None:
        fits = declared is None or (
            len(declared) == len(spec.shape)
            and all(a in (None, b) for a, b in zip(declared, spec.shape, strict=True))
        )
        if not fits:
            raise GraphError(
                f"input {value.name!r} has the shape {declared}, which {spec.shape} does not fit"
            )
        return spec.shape
    if declared is None:
        raise GraphError(f"input {value.name!r} does not say how many axes it has: state its shape")
    open_axes = [1] + [_DYNAMIC_SIDE] * (len(declared) - 1)
    return tuple(
        size or default for size, default in zip(declared, open_axes[: len(declared)], strict=True)
    )


def _smooth(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Return a float64 (height, width) picture in [0, 1]: several sizes of soft blobs."""
    total = np.zeros((height, width))
    for cells, share in _GRIDS:
        grid = rng.random((cells, cells))
        ends = np.arange(cells)
        columns = np.linspace(0, cells - 1, width)
        rows = np.linspace(0, cells - 1, height)
        wide = np.stack([np.interp(columns, ends, row) for row in grid])
        total += share * np.stack([np.interp(rows, ends, column) for column in wide.T], axis=1)
    return total


def _draw(rng: np.random.Generator, shape: tuple[int, ...], spec: InputSpec) -> NDArray[Any]:
    if spec.kind == "unit":
        vectors = rng.standard_normal(shape)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
    if spec.kind == "picture" and len(shape) == 4:
        last = shape[3] == 3 and shape[1] != 3
        planes = shape[0] * (shape[3] if last else shape[1])
        sides = shape[1:3] if last else shape[2:4]
        drawn = np.stack([_smooth(rng, *sides) for _ in range(planes)])
        if last:
            drawn = drawn.reshape(shape[0], shape[3], *sides).transpose(0, 2, 3, 1)
        return spec.low + (spec.high - spec.low) * drawn.reshape(shape)
    return rng.uniform(spec.low, spec.high, shape)


def draw_feeds(
    model: onnx.ModelProto,
    specs: Mapping[str, InputSpec] | None = None,
    *,
    count: int = 2,
    seed: int = 0,
) -> list[Feeds]:
    """Draw inputs for a model; the same for the same seed.

    Args:
        model: the model.
        specs: what to feed, by input; `default_spec` for those that are missing.
        count: how many sets of inputs.
        seed: of the random numbers.

    Returns:
        Per set an array for each input, of the input's element type.

    Raises:
        GraphError: an input has no shape, or another one than its spec.
    """
    rng = np.random.default_rng(seed)
    values = inputs_of(model)
    chosen = {value.name: (specs or {}).get(value.name, default_spec(value)) for value in values}
    drawn: list[Feeds] = []
    for _ in range(count):
        feeds: Feeds = {}
        for value in values:
            spec = chosen[value.name]
            shape = _sizes(value, spec)
            if math.prod(shape) == 0:
                raise GraphError(f"input {value.name!r} is empty: it has the shape {shape}")
            kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            feeds[value.name] = _draw(rng, shape, spec).astype(kind)
        drawn.append(feeds)
    return drawn
