"""Resize: bilinear and nearest, where TFLite reads the same pixels as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.export.tflite.layout import stored_shape
from quantize.export.tflite.step import Step

Places = NDArray[np.floating[Any]]
"""Coordinates along an axis."""

_NATURAL = (0, 2, 3, 1)
_CLOSE = 1e-4  # pixels
_COORDINATES = frozenset(
    {
        "align_corners",
        "asymmetric",
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "tf_half_pixel_for_nn",
    }
)


def _scales(step: Step) -> list[float]:
    """Return the factor per ONNX axis that the coordinates are computed with."""
    sizes, results = step.shape(), step.result
    stated = [after / before for before, after in zip(sizes, results, strict=True)]
    index = 1 if step.node.op_type == "Upsample" else 2
    given = step.array(index).ravel().tolist() if step.given(index) else []
    policy = step.attributes.get("keep_aspect_ratio_policy", b"stretch")
    if not given:
        if policy == b"stretch":
            return stated
        given = _kept_ratio(step, policy)
    axes = _axes(step, len(given))
    by_axis = dict(zip(axes, given, strict=True))
    return [float(by_axis.get(axis, 1.0)) for axis in range(len(sizes))]


def _axes(step: Step, count: int) -> list[int]:
    """Return the axes that scales or sizes are given for."""
    rank = len(step.shape())
    return [axis % rank for axis in step.attributes.get("axes", range(count))]


def _kept_ratio(step: Step, policy: bytes) -> list[float]:
    """Return the one factor that a policy takes for all axes of which a size is asked for."""
    wanted, sizes = step.array(3).ravel().tolist(), step.shape()
    axes = _axes(step, len(wanted))
    ratios = [size / sizes[axis] for size, axis in zip(wanted, axes, strict=True)]
    return [min(ratios) if policy == b"not_larger" else max(ratios)] * len(ratios)


def _onnx(mode: str, at: Places, before: int, scale: float) -> Places:
    """Return where ONNX reads: a coordinate per result, in the precision of `at`.

    Args:
        mode: of the coordinates.
        at: 0, 1, 2, ... as many as there are results.
        before: how many there are to read from.
        scale: what the coordinates are computed with.
    """
    after = len(at)
    if scale == 1:
        return at  # as ONNX Runtime does in all modes; one of them would move by half a pixel
    if mode == "align_corners":
        return at * (before - 1) / (after - 1) if after > 1 else at * 0
    if mode == "asymmetric":
        return at / scale
    if mode == "pytorch_half_pixel" and after == 1:
        return at * 0
    if mode == "tf_half_pixel_for_nn":
        return np.asarray((at + 0.5) / scale)
    # What rounding the size cut off is shared by both sides.
    shift = (before - after / scale) / 2 if mode == "half_pixel_symmetric" else 0.0
    return np.asarray(shift + (at + 0.5) / scale - 0.5)


def _tflite(corners: bool, half: bool, before: int, after: int) -> Places:
    """Return where TFLite reads."""
    at = np.arange(after, dtype=np.float64)
    if corners and after > 1:
        return at * (before - 1) / (after - 1)
    step = before / after
    return (at + 0.5) * step - 0.5 if half else at * step


def _rounded(at: Places, how: str) -> Places:
    ways: dict[str, Callable[[], Places]] = {
        "ceil": lambda: np.ceil(at),
        "floor": lambda: np.floor(at),
        "round_prefer_ceil": lambda: np.floor(at + 0.5),
        "round_prefer_floor": lambda: np.ceil(at - 0.5),
    }
    return np.asarray(ways[how]())


def _nearest(corners: bool, half: bool, before: int, after: int) -> Places:
    """Return which pixel TFLite's nearest takes: in the steps of its kernel, in float32."""
    at = np.arange(after, dtype=np.float32)
    corners = corners and after > 1
    step = np.float32(before - 1) / np.float32(after - 1) if corners else np.float32(before / after)
    place = (at + np.float32(0.5 if half else 0)) * step
    return np.asarray(np.floor(place + np.float32(0.5)) if corners else np.floor(place))


def _settings() -> Iterator[tuple[bool, bool]]:
    yield from ((False, True), (True, False), (False, False))


def _fits(
    linear: bool, mode: str, how: str, sizes: tuple[int, int], scale: float, way: tuple[bool, bool]
) -> bool:
    """Return whether a setting of TFLite reads along an axis as ONNX does."""
    before, after = sizes
    if linear:
        wanted = _onnx(mode, np.arange(after, dtype=np.float64), before, scale)
        clipped = [np.clip(x, 0, before - 1) for x in (wanted, _tflite(*way, before, after))]
        return bool(np.abs(clipped[0] - clipped[1]).max() < _CLOSE)
    # Half way between two pixels the last bit decides: TFLite's is known, and ONNX's must not
    # hang on how its runtime rounds.
    picked = np.clip(_nearest(*way, before, after), 0, before - 1)
    for precision in (np.float32, np.float64):
        wanted = _rounded(_onnx(mode, np.arange(after, dtype=precision), before, scale), how)
        if not np.array_equal(picked, np.clip(wanted, 0, before - 1)):
            return False
    return True


def resize(step: Step) -> None:
    """Write a Resize (or an Upsample) of rows and columns."""
    given, sizes, results = step.attributes, step.shape(), step.result
    mode = given.get("mode", b"nearest").decode()
    if len(sizes) != 4 or sizes[:2] != results[:2]:
        raise step.refusal("it resizes something other than rows and columns")
    if mode not in ("nearest", "linear"):
        raise step.refusal(f"mode {mode!r} is not in TFLite")
    if given.get("antialias", 0):
        raise step.refusal("TFLite does not filter before it shrinks (antialias)")
    old = step.node.op_type == "Upsample"
    coordinates = "asymmetric" if old else "half_pixel"
    coordinates = given.get("coordinate_transformation_mode", coordinates.encode()).decode()
    if coordinates not in _COORDINATES:
        raise step.refusal(f"coordinates {coordinates!r} are not in TFLite")
    how = given.get("nearest_mode", b"floor" if old else b"round_prefer_floor").decode()
    scales = _scales(step)
    pairs = [(sizes[axis], results[axis]) for axis in (2, 3)]
    linear = mode == "linear"
    for way in _settings():
        fits = [
            _fits(linear, coordinates, how, pair, scale, way)
            for pair, scale in zip(pairs, scales[2:], strict=True)
        ]
        if all(fits):
            kind = "RESIZE_BILINEAR" if linear else "RESIZE_NEAREST_NEIGHBOR"
            size = step.low.numbers(stored_shape(results, _NATURAL)[1:3], "size")
            inputs = [step.operand(0, _NATURAL), size]
            options = {"alignCorners": way[0], "halfPixelCenters": way[1]}
            step.give(kind, inputs, _NATURAL, **options)
            return
    raise step.refusal(
        f"TFLite has no {mode} resize with coordinates {coordinates!r} from {sizes[2:]} to "
        f"{results[2:]}"
    )


HANDLERS = {"Resize": resize, "Upsample": resize}
