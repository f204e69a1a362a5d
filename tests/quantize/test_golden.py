"""The golden vectors of a conversion."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.contracts import TensorSpec
from edge.tensors import to_tensor
from quantize.golden import from_tensor


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.sampled_from(["RGB", "BGR"]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    scale=st.sampled_from([1 / 255, 1.0, 1 / 127.5]),
    mean=st.sampled_from([(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.485, 0.456, 0.406)]),
    std=st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.229, 0.224, 0.225)]),
)
def test_a_crop_comes_back_from_what_a_model_was_fed(
    seed: int,
    channels: str,
    layout: str,
    scale: float,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> None:
    shape = (1, 3, 8, 8)
    spec = TensorSpec("x", shape, channels, scale, mean, std, layout)
    crop = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(from_tensor(to_tensor(crop, spec), spec), crop)
