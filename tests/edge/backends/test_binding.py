"""Inputs and outputs that stay in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends import open_session
from edge.errors import BackendError
from edge.providers import Provider
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

BOUND = (Provider("CPUExecutionProvider", device="cpu"),)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "swapper.onnx"
    path.write_bytes(tiny.swapper(size=16))
    return path


def feeds(value: float) -> dict[str, Any]:
    return {
        "target": np.full((1, 3, 16, 16), value, np.float32),
        "source": np.zeros((1, 512), np.float32),
    }


def test_results_are_the_same_and_the_callers_own(model: Path) -> None:
    plain, bound = open_session(model), open_session(model, providers=BOUND)
    first, second = bound.run(feeds(0.25)), bound.run(feeds(0.75))
    for value, got in ((0.25, first), (0.75, second)):
        for wanted, made in zip(plain.run(feeds(value)), got, strict=True):
            np.testing.assert_array_equal(made, wanted)
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": np.zeros((1, 3, 8, 8), np.float32)}, r"float32 \[1, 3, 8, 8\]"),
        ({"target": np.zeros((1, 3, 16, 16), np.float64)}, "float64"),
        ({"target": None}, "nothing"),
    ],
)
def test_wrong_feeds_are_one_line(model: Path, change: Any, words: str) -> None:
    session = open_session(model, providers=BOUND)
    given = {name: value for name, value in (feeds(0) | change).items() if value is not None}
    with pytest.raises(BackendError, match=rf"swapper\.onnx: input 'target' .*given {words}"):
        session.run(given)
