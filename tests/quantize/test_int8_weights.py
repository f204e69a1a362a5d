from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from quantize.int8_weights import (
    LARGEST,
    LARGEST_PAIR,
    channel_axis,
    pair_peaks,
    peaks,
    quantize_weight,
    smallest_scale,
)


def _node(kind: str, **attrs: Any) -> onnx.NodeProto:
    return helper.make_node(kind, ["x", "w"], ["y"], **attrs)


def _back(weight: NDArray[np.float32], axis: int | None, **how: Any) -> NDArray[np.float32]:
    made = quantize_weight(weight, axis, **how)
    sizes = [1] * weight.ndim
    if axis is not None:
        sizes[axis] = -1
    values = made.values.astype(np.float32) - made.zero_point.reshape(sizes)
    return np.asarray(values * made.scale.reshape(sizes), np.float32)


def _random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0.01, 10, (shape[0], *[1] * (len(shape) - 1)))
    return (rng.standard_normal(shape) * rows).astype(np.float32)


@pytest.mark.parametrize(
    ("node", "axis"),
    [
        (_node("Conv"), 0),
        (_node("ConvTranspose"), 1),
        (_node("ConvTranspose", group=2), None),
        (_node("Gemm"), 1),
        (_node("Gemm", transB=1), 0),
        (_node("MatMul"), 1),
    ],
)
def test_the_axis_of_the_channels(node: onnx.NodeProto, axis: int | None) -> None:
    assert channel_axis(node) == axis


@pytest.mark.parametrize("axis", [0, 1, None])
def test_no_weight_is_off_by_more_than_half_a_step(axis: int | None) -> None:
    weight = _random(5, 6, 3, 3)
    made = quantize_weight(weight, axis)
    assert made.values.dtype == np.int8
    assert made.axis == axis
    assert made.scale.shape == made.zero_point.shape == (() if axis is None else (5 + axis,))
    assert not made.zero_point.any()
    assert np.abs(made.values).max() == LARGEST
    sizes = [1, 1, 1, 1]
    if axis is not None:
        sizes[axis] = -1
    off = np.abs(_back(weight, axis) - weight) / made.scale.reshape(sizes)
    assert off.max() <= 0.501


def test_a_channel_of_zeros_has_a_scale() -> None:
    weight = _random(3, 4, 1, 1)
    weight[1] = 0
    made = quantize_weight(weight, 0)
    assert made.scale[1] == 1.0
    assert not made.values[1].any()


def test_unsigned_weights_reach_from_the_smallest_to_the_largest() -> None:
    weight = np.array([[-1.0, 0.0, 4.1]], np.float32)
    made = quantize_weight(weight, None, kind="u8")
    assert made.values.dtype == np.uint8
    assert made.values.tolist() == [[0, 50, 255]]
    assert made.zero_point == 50
    np.testing.assert_allclose(_back(weight, None, kind="u8"), weight, atol=0.01)
    positive = quantize_weight(np.array([[1.0, 2.0]], np.float32), None, kind="u8")
    assert positive.zero_point == 0
    assert quantize_weight(np.zeros((1, 2), np.float32), None, kind="u8").scale == 1.0


def test_biases_fit_into_32_bits() -> None:
    bias = np.array([1e6, 1e-3], np.float32)
    floor = smallest_scale(bias, 1e-6)
    made = quantize_weight(np.full((2, 1, 1, 1), 1e-3, np.float32), 0, floor=floor)
    assert (np.abs(bias / (made.scale.astype(np.float64) * 1e-6)) < 2**31).all()
    assert made.scale[1] == np.float32(1e-3 / 127)  # where there is room nothing changes
    assert smallest_scale(None, 1.0) < 1e-30
    whole = quantize_weight(np.full((2, 1, 1, 1), 1e-3, np.float32), None, floor=floor)
    assert whole.scale == made.scale[0]


def _pairs(rows: NDArray[np.int64]) -> int:
    """Return the largest sum that a kernel makes of two neighbours of one sign."""
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    first, second = rows[:, 0::2], rows[:, 1::2]
    above = np.maximum(first, 0) + np.maximum(second, 0)
    below = np.minimum(first, 0) + np.minimum(second, 0)
    return int(max(above.max(), -below.min()))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3])),
    seed=st.integers(0, 999),
    whole=st.booleans(),
)
def test_no_two_neighbours_overflow_16_bits(
    sizes: tuple[int, int, int], seed: int, whole: bool
) -> None:
    outputs, inputs, side = sizes
    weight = _random(outputs, inputs, side, side, seed=seed)
    node = _node("Conv", group=1)
    axis = None if whole else 0
    limits = pair_peaks(weight, node, axis)
    values = quantize_weight(weight, axis, limits=limits).values.astype(np.int64)
    if not (inputs == 1 and outputs == 1):
        # Kernels go through a kernel's taps, and per tap through the input channels.
        assert _pairs(values.transpose(0, 2, 3, 1).reshape(outputs, -1)) <= LARGEST_PAIR
    # Half of the range for every weight would be safe as well, and coarser.
    assert (limits <= 2 * peaks(weight, axis)).all()
    assert (limits >= peaks(weight, axis)).all()


def test_neighbours_are_those_that_kernels_add_up() -> None:
    conv = np.zeros((1, 2, 1, 2), np.float32)
    conv[0, 0, 0] = 1.0  # one input channel, two taps: never added up with each other
    assert pair_peaks(conv, _node("Conv"), 0) == [1.0]
    conv[0, 1, 0, 0] = 0.5  # the other input channel at the first tap: added to the 1 there
    assert pair_peaks(conv, _node("Conv"), 0) == [1.5]
    conv[0, 1, 0, 0] = -0.5  # of the other sign: that cannot overflow
    assert pair_peaks(conv, _node("Conv"), 0) == [1.0]
    depthwise = np.ones((4, 1, 3, 3), np.float32)
    assert (pair_peaks(depthwise, _node("Conv", group=4), 0) == 1.0).all()
    assert (pair_peaks(depthwise, _node("Conv"), 0) == 2.0).all()
    rows = np.array([[1.0, 3.0, 2.0], [1.0, 1.0, 1.0]], np.float32)
    assert pair_peaks(rows, _node("Gemm", transB=1), 0).tolist() == [4.0, 2.0]
    assert pair_peaks(rows, _node("MatMul"), 1).tolist() == [2.0, 4.0, 3.0]
    assert pair_peaks(rows, _node("Gemm", transB=1), None) == 4.0
    assert pair_peaks(np.ones((2, 2, 2, 2), np.float32), _node("ConvTranspose"), 1).max() == 1.0
