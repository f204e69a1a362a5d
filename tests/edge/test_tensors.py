from __future__ import annotations

import numpy as np
import pytest

from edge.contracts import PictureSpec, TensorSpec, Triple
from edge.tensors import to_picture, to_tensor

PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PLAIN: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
ONES: tuple[Triple, Triple] = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("scale", "norm"),
    [(1 / 255, PLAIN), (1 / 255, HALF), (1 / 255, IMAGENET), (1 / 127.5, ONES), (1.0, PLAIN)],
)
def test_a_tensor_is_what_the_contract_says(
    channels: str, scale: float, norm: tuple[Triple, Triple]
) -> None:
    mean, std = norm
    spec = TensorSpec("x", (1, 3, 0, 0), channels, scale, mean, std)
    tensor = to_tensor(PICTURE, spec)
    ordered = PICTURE[..., ::-1] if channels == "RGB" else PICTURE
    expected = ((ordered * scale - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None]
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_a_picture_comes_back_bit_for_bit(channels: str, limits: tuple[float, float]) -> None:
    black, white = limits
    ordered = PICTURE[..., ::-1] if channels == "RGB" else PICTURE
    values = ordered.transpose(2, 0, 1)[None] / 255 * (white - black) + black
    spec = PictureSpec("y", limits, channels, "")
    assert (to_picture(values.astype(np.float32), spec) == PICTURE).all()


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_a_graph_of_another_layout_gets_its_colours_last(channels: str) -> None:
    mean, std = IMAGENET
    planes = to_tensor(PICTURE, TensorSpec("x", (1, 3, 0, 0), channels, 1 / 255, mean, std))
    rows = to_tensor(PICTURE, TensorSpec("x", (1, 3, 0, 0), channels, 1 / 255, mean, std, "NHWC"))
    assert rows.shape == (1, *PICTURE.shape)
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows.transpose(0, 3, 1, 2), planes)
