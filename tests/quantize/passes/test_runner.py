"""The runner holds passes to what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.errors import EdgeError, EngineMissing
from quantize.errors import (
    DriftError,
    GraphError,
    PassError,
    PostconditionError,
    PreconditionError,
)
from quantize.passes import (
    ExplicitRoi,
    InputSpec,
    Pass,
    PassResult,
    ReciprocalToDiv,
    StaticShapes,
    Step,
    run_passes,
)
from tests.quantize.graphs import TOPOLOGIES, Sketch


def _model() -> onnx.ModelProto:
    s = Sketch()
    s.op("Sigmoid", s.conv(s.input("x", 1, 3, 6, 6), 3, 2), output="output")
    return s.model("output")


class _Edit(Pass):
    name = "edit"
    tolerance = 1e-3

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def requires(self, model: onnx.ModelProto) -> None:
        if self.kind == "needs":
            raise PreconditionError("the model has no moustache")

    def run(self, model: onnx.ModelProto) -> PassResult:
        graph = model.graph
        if self.kind == "drifts":
            value = numpy_helper.to_array(graph.initializer[0]) * 1.1
            graph.initializer[0].CopyFrom(numpy_helper.from_array(value, graph.initializer[0].name))
        elif self.kind == "breaks":
            graph.node[0].input[0] = "nowhere"
        elif self.kind == "renames":
            graph.node[-1].output[0] = graph.output[0].name = "other"
        elif self.kind == "types":
            graph.node[-1].op_type = "Shape"
        elif self.kind == "nan":
            value = numpy_helper.to_array(graph.initializer[0]) * np.float32(np.nan)
            graph.initializer[0].CopyFrom(numpy_helper.from_array(value, graph.initializer[0].name))
        return PassResult(model, True)

    def ensures(self, model: onnx.ModelProto) -> None:
        if self.kind == "promises":
            raise PostconditionError("there is a beard left")


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("needs", PreconditionError, "the model has no moustache"),
        ("promises", PostconditionError, "there is a beard left"),
        ("drifts", DriftError, "outputs differ by 0.0.*, more than 0.001"),
        ("nan", DriftError, "output 'output' is not finite any more"),
        ("breaks", PassError, "not a valid ONNX model: .*nowhere"),
        ("types", PassError, "not a valid ONNX model"),
        ("renames", PostconditionError, "inputs or outputs have other names"),
    ],
)
def test_failures_name_what_had_run(kind: str, error: type[PassError], message: str) -> None:
    passes = [ReciprocalToDiv(), ExplicitRoi(), _Edit(kind)]
    with pytest.raises(error, match=message) as caught:
        run_passes(_model(), passes)
    text = str(caught.value)
    assert text.startswith("pass edit failed: ")
    assert text.endswith("(passes that had run: reciprocal_to_div, explicit_roi)")
    assert "\n" not in text
    assert isinstance(caught.value, EdgeError)
    assert caught.value.__cause__ is not None


def test_steps_are_reported() -> None:
    seen: list[Step] = []
    result = run_passes(_model(), [ExplicitRoi(), _Edit("nothing")], progress=seen.append)
    assert [(step.name, step.changed) for step in seen] == [("explicit_roi", False), ("edit", True)]
    assert tuple(seen) == result.steps
    assert result.difference == 0
    assert all(step.nodes_before == step.nodes_after == 2 for step in seen)


def test_no_passes_no_change() -> None:
    model = _model()
    before = model.SerializeToString()
    result = run_passes(model, [])
    assert result.model is model
    assert model.SerializeToString() == before


def test_large_models_go_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from quantize.passes._infra import engine

    monkeypatch.setattr(engine, "LARGEST_IN_MEMORY", 1000)
    model = TOPOLOGIES["reference"]()
    before = model.SerializeToString()
    run_passes(model, [_Edit("nothing")])
    assert model.SerializeToString() == before


def test_broken_weights_are_refused() -> None:
    model = _model()
    _Edit("nan").run(model)
    with pytest.raises(GraphError, match="'output' is not finite: the model's weights are broken"):
        run_passes(model, [])


def test_open_sizes_are_drawn_as_a_pass_fixes_them() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, "h", "w")
    flat = s.op("Reshape", s.conv(x, 3, 2), s.ints(1, 2 * 6 * 10))
    s.op("Tanh", flat, output="output")
    model = s.model("output")
    result = run_passes(model, [StaticShapes({"x": (1, 3, 6, 10)})])
    assert result.steps[0].changed


def _with_if() -> onnx.ModelProto:
    s = Sketch()
    s.input("x", 1)
    branch = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [1])],
    )
    true = s.keep(True, kind=np.bool_)
    s.op("If", true, output="output", then_branch=branch, else_branch=branch)
    return s.model("output")


@pytest.mark.parametrize("opset", [10, 99])
def test_unknown_opsets_are_refused(opset: int) -> None:
    model = _model()
    model.opset_import[0].version = opset
    with pytest.raises(GraphError, match=f"opset {opset} is not supported"):
        run_passes(model, [ReciprocalToDiv()])


def test_subgraphs_are_refused() -> None:
    with pytest.raises(PassError, match=r"'If_output' .If. holds a subgraph: export the model"):
        run_passes(_with_if(), [ReciprocalToDiv()])


def test_custom_operators_are_refused() -> None:
    model = _model()
    model.graph.node[1].domain = "my.company"
    model.opset_import.append(helper.make_opsetid("my.company", 1))
    with pytest.raises(GraphError, match="ONNX Runtime cannot run the model"):
        run_passes(model, [ReciprocalToDiv()])


def test_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(_model(), str(path), save_as_external_data=True, location="w", size_threshold=0)
    assert run_passes(onnx.load(str(path)), [_Edit("nothing")]).difference == 0
    with pytest.raises(GraphError, match="weight 'k0' lies in a file beside the model"):
        run_passes(onnx.load(str(path), load_external_data=False), [])


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap.cpu,quantize.'"):
        run_passes(_model(), [])


def test_specs_must_fit() -> None:
    spec = InputSpec("picture", shape=(1, 4, 6, 6))
    with pytest.raises(GraphError, match=r"input 'x' has the shape .*does not fit"):
        run_passes(_model(), [], inputs={"x": spec})
