"""The emap is found by what it is, not by where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from quantize.errors import PreconditionError, QuantizeError
from quantize.passes import LiftEmap
from tests.quantize.graphs import Sketch, assert_settled, assert_untouched, rewritten, weight_sizes


def _model(*spare: np.ndarray) -> onnx.ModelProto:
    s = Sketch()
    x = s.input("source", 1, 512)
    s.op("MatMul", x, s.noise(512, 512, scale=0.05), output="output")
    model = s.model("output")
    for index, matrix in enumerate(spare):
        model.graph.initializer.append(numpy_helper.from_array(matrix, f"spare_{index}"))
    return model


def _matrix(seed: int = 1, kind: type = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((512, 512)).astype(kind)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("first", [True, False])
def test_lifted_wherever_it_lies(tmp_path: Path, first: bool, kind: type) -> None:
    model, path = _model(_matrix(kind=kind)), tmp_path / "emap.npy"
    if first:
        tensors = list(model.graph.initializer)[::-1]
        del model.graph.initializer[:]
        model.graph.initializer.extend(tensors)
    result = rewritten(model, LiftEmap(path))
    assert result.steps[0].changed
    assert list(weight_sizes(result.model)) == ["k0"]
    saved = np.load(path)
    assert saved.dtype == np.float32
    np.testing.assert_array_equal(saved, _matrix(kind=kind))
    assert list(tmp_path.glob(".*")) == []
    assert_settled(result.model, LiftEmap(path))


@pytest.mark.parametrize(
    "spare",
    [
        np.zeros((512, 512), np.float32),
        np.full((512, 512), np.nan, np.float32),
        np.ones((512, 512), np.int64),
        _matrix()[:, :256],
    ],
    ids=["zeros", "nan", "integers", "shape"],
)
def test_other_spare_tensors_are_no_emap(tmp_path: Path, spare: np.ndarray) -> None:
    assert_untouched(_model(spare), LiftEmap(tmp_path / "emap.npy"))
    assert not (tmp_path / "emap.npy").exists()


def test_two_candidates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="spare_0, spare_1 could each be the emap"):
        rewritten(_model(_matrix(1), _matrix(2)), LiftEmap(tmp_path / "emap.npy"))


def test_no_place_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match=r"cannot write the emap to .*: No such file"):
        rewritten(_model(_matrix()), LiftEmap(tmp_path / "missing" / "emap.npy"))
