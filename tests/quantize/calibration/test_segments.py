"""A model in pieces computes what it computes as a whole, and shows every value between."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.calibration.segments import PiecewiseRun, cut
from quantize.errors import CalibrationError, EngineError
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.feeds import Feeds, draw_feeds
from tests.quantize.graphs import TOPOLOGIES, Sketch


def _values(model: onnx.ModelProto, feeds: Feeds, **options: int) -> dict[str, np.ndarray]:
    run = PiecewiseRun(model, threads=1, **options)
    seen: dict[str, np.ndarray] = {}
    for made in run.values(feeds):
        assert not set(made) & set(seen)
        seen.update(made)
    return seen


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
@pytest.mark.parametrize("values", [1, 100_000, 10**9])
def test_pieces_of_any_size_give_the_model_s_outputs(name: str, values: int) -> None:
    model = TOPOLOGIES[name]()
    (feeds,) = draw_feeds(model, count=1, seed=1)
    (expected,) = run_model(model, [feeds])
    seen = _values(model, feeds, values=values)
    assert set(feeds) <= set(seen)
    for output, array in expected.items():
        np.testing.assert_allclose(seen[output], array, atol=1e-4)
    fixed = {node.output[0] for node in model.graph.node if node.op_type in ("Constant", "Shape")}
    made = {out for node in model.graph.node for out in node.output} - fixed
    assert made <= set(seen)


def test_pieces_are_bounded() -> None:
    model = TOPOLOGIES["inswapper"]()
    whole = cut(model, values=10**9)
    assert len(whole) == 1
    small = cut(model, values=20_000)
    assert len(small) > 5
    assert [out for piece in small for out in piece.makes] == list(whole[0].makes)
    assert len(cut(model, weights=100_000)) > 3


def test_every_sample_runs_through_the_same_engines() -> None:
    model = TOPOLOGIES["reference"]()
    run = PiecewiseRun(model, threads=1, values=30_000)
    for feeds in draw_feeds(model, count=2, seed=2):
        seen = {name: array for made in run.values(feeds) for name, array in made.items()}
        (expected,) = run_model(model, [feeds])
        np.testing.assert_allclose(seen["output"], expected["output"], atol=1e-5)


def test_constants_go_where_they_are_read() -> None:
    s = Sketch()
    x = s.input("x", 1, 4)
    s.nodes.append(
        onnx.helper.make_node(
            "Constant", [], ["c"], value=onnx.numpy_helper.from_array(np.array([2.0], np.float32))
        )
    )
    y = s.op("Mul", x, "c")
    s.op("Add", s.op("Relu", y), "c", output="out")
    model = s.model("out")
    seen = _values(model, {"x": np.array([[1, -1, 2, 0]], np.float32)}, values=1)
    np.testing.assert_array_equal(seen["out"], [[4, 2, 6, 2]])
    assert "c" not in seen


def test_an_input_that_is_an_output() -> None:
    s = Sketch()
    s.op("Relu", s.input("x", 1, 2), output="y")
    seen = _values(s.model("y"), {"x": np.array([[-1, 1]], np.float32)})
    assert set(seen) == {"x", "y"}


def test_a_missing_input_is_named() -> None:
    with pytest.raises(CalibrationError, match="nothing for the model's input 'source'"):
        _values(TOPOLOGIES["mobile"](), {"target": np.zeros((1, 3, 32, 32), np.float32)})


def test_an_input_that_does_not_fit_is_the_engine_s_error() -> None:
    model = TOPOLOGIES["reference"]()
    feeds = {"target": np.zeros((1, 3, 8, 8), np.float32), "source": np.zeros((1, 9), np.float32)}
    with pytest.raises(EngineError):
        _values(model, feeds)


def test_no_room_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    model = TOPOLOGIES["mobile"]()
    (feeds,) = draw_feeds(model, count=1)
    with pytest.raises(CalibrationError, match=r"No space left on device; set TMPDIR"):
        _values(model, feeds)
