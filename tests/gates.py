"""A gate for tests: a tiny classifier of harmless pictures, trained here on made-up ones.

It tells pictures that are mostly blue from others: seeded logistic regression on mean colours.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests import tiny

SIDE = 32

CARD = """
[input]
name = "picture"
shape = [1, 3, 32, 32]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[output]
name = "scores"
index = [1]
threshold = 0.5
label = "blue"
activation = "softmax"
"""


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (240, 320)) -> NDArray[np.uint8]:
    """Return a picture of one colour (B, G, R)."""
    return np.full((*size, 3), colour, np.uint8)


def _examples(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean colours (RGB, in [-1, 1]) and whether the picture is mostly blue."""
    colours = rng.uniform(0, 255, (600, 3))
    blue = colours[:, 2] - colours[:, :2].max(axis=1)
    clear = np.abs(blue) > 20
    return colours[clear] / 127.5 - 1, (blue[clear] > 0).astype(np.float64)


@cache
def _weights() -> tuple[NDArray[np.float64], float]:
    rng = np.random.default_rng(11)
    inputs, wanted = _examples(rng)
    weights, bias = np.zeros(3), 0.0
    for _ in range(400):
        given = 1 / (1 + np.exp(-(inputs @ weights + bias)))
        weights -= 4 * inputs.T @ (given - wanted) / len(wanted)
        bias -= 4 * float((given - wanted).mean())
    return weights, bias


@cache
def gate(factor: float = 1.0) -> bytes:
    """Return the gate as a model; its logits are multiplied with `factor`."""
    weights, bias = _weights()
    gain = np.stack([np.zeros(3), weights], axis=1)
    constants = [
        numpy_helper.from_array(np.array([1, 3], np.int64), "row"),
        numpy_helper.from_array(gain.astype(np.float32), "gain"),
        numpy_helper.from_array(np.array([0, bias], np.float32), "bias"),
        numpy_helper.from_array(np.array(factor, np.float32), "factor"),
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
        helper.make_node("Reshape", ["mean", "row"], ["colour"]),
        helper.make_node("Gemm", ["colour", "gain", "bias"], ["logits"]),
        helper.make_node("Mul", ["logits", "factor"], ["scores"]),
    ]
    given = tiny._value("picture", (1, 3, SIDE, SIDE))
    return tiny.model_bytes(nodes, [given], [tiny._value("scores", (1, 2))], constants)


def install(home: Path, name: str = "blue_gate", *, card: str = CARD, data: bytes = b"") -> Path:
    """Install the gate in a user's folders; return its file."""
    return tiny.install_one(home, name, "gate", card, data or gate())


def policy(home: Path, text: str = "require_gate = true\n") -> None:
    """Write the device's policy."""
    path = home / "config" / "policy.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
