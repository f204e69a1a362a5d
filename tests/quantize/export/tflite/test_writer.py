from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from edge.errors import EngineMissing
from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite, writer
from quantize.export.tflite.kinds import KINDS
from quantize.export.tflite.writer import NONE, Quantization, Writer, load_schema
from tests.quantize.export.tflite.runtimes import model_of, needs_schema, run_without_delegate
from tests.quantize.graphs import Sketch

needs_schema()


def _sum(count: int = 4) -> tuple[Writer, dict[str, int], dict[str, int]]:
    made = Writer()
    x = made.tensor("x", (1, count))
    bias = made.tensor("bias", (count,), load=lambda: np.arange(count, dtype=np.float32))
    y = made.tensor("y", (1, count))
    made.operator("ADD", [x, bias], [y])
    return made, {"x": x}, {"y": y}


def test_a_file_runs() -> None:
    made, inputs, outputs = _sum()
    data = made.finish(inputs, outputs)
    result = run_without_delegate(data, {"x": np.ones((1, 4), np.float32)})
    np.testing.assert_array_equal(result["y"], [[1, 2, 3, 4]])


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = (_sum() for _ in range(2))
    assert first[0].finish(*first[1:]) == second[0].finish(*second[1:])


@pytest.mark.parametrize("count", [1, 3, 17, 1001])
def test_constants_lie_where_they_can_be_used(count: int) -> None:
    made, inputs, outputs = _sum(count)
    data = made.finish(inputs, outputs)
    place = data.index(np.arange(count, dtype=np.float32).tobytes())
    assert place % 16 == 0 or count == 1  # a lone zero is found elsewhere first


def test_names_are_unlike_each_other() -> None:
    made = Writer()
    places = [made.tensor("x", (1,)) for _ in range(3)]
    assert len({made.tensors[place].name for place in places}) == 3
    made.rename(places[2], "x")
    assert [made.tensors[place].name for place in places][2] == "x"
    assert len({made.tensors[place].name for place in places}) == 3


def test_what_nothing_depends_on_is_left_out() -> None:
    made, inputs, outputs = _sum()
    idle = made.tensor("idle", (1, 4))
    made.operator("NEG", [inputs["x"]], [idle])
    model = model_of(made.finish(inputs, outputs))
    assert len(model.subgraphs[0].operators) == 1
    assert len(model.subgraphs[0].tensors) == 3


def test_versions_are_the_oldest_that_do() -> None:
    made = Writer()
    scale = Quantization((0.5,), (3,))
    x, y = (made.tensor(name, (1, 4), "int8", quantization=scale) for name in "xy")
    made.operator("RELU", [x], [y])
    model = model_of(made.finish({"x": x}, {"y": y}))
    (code,) = model.operatorCodes
    assert (code.version, code.builtinCode) == (KINDS["RELU"].version_int8, 19)
    assert code.deprecatedBuiltinCode == 19
    stored = model.subgraphs[0].tensors[0].quantization
    assert (stored.scale.tolist(), stored.zeroPoint.tolist()) == ([0.5], [3])


def test_inputs_may_be_left_out() -> None:
    made, inputs, outputs = _sum()
    made.operators[0] = type(made.operators[0])(
        "ADD", (*made.operators[0].inputs, NONE), made.operators[0].outputs, 1
    )
    model = model_of(made.finish(inputs, outputs))
    assert model.subgraphs[0].operators[0].inputs.tolist()[2] == -1


def test_numbers_that_do_not_fit_the_shape_are_refused() -> None:
    made, inputs, outputs = _sum()
    made.tensors[1].shape = (5,)
    with pytest.raises(TFLiteError, match="'bias': 4 numbers"):
        made.finish(inputs, outputs)


def test_more_than_a_file_can_hold_is_refused_before_it_is_made() -> None:
    made, inputs, outputs = _sum()

    def never() -> Any:
        raise AssertionError("made all the same")

    x = made.tensor("large", (30_000, 20_000), load=never)
    y = made.tensor("z", (30_000, 20_000))
    made.operator("ADD", [inputs["x"], x], [y])
    with pytest.raises(TFLiteError, match=r"2\.40 GB.*int8 or fp16"):
        made.finish(inputs, {**outputs, "z": y})


def test_the_builder_never_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    _, flatbuffers = load_schema()
    sizes = []

    class Watched(flatbuffers.Builder):  # type: ignore[misc, name-defined, unused-ignore]
        def Finish(self, *args: Any, **given: Any) -> Any:
            sizes.append(len(self.Bytes))
            return super().Finish(*args, **given)

    asked = []

    def builder(size: int) -> Any:
        asked.append(size)
        return Watched(size)

    monkeypatch.setattr(flatbuffers, "Builder", builder)
    s = Sketch()
    x = s.input("x", 1, 3, 32, 32)
    for _ in range(20):
        x = s.op("Relu", s.conv(x, 3, 3))
    s.op("Neg", x, output="y")
    to_tflite(s.model("y"))
    assert sizes == asked


def test_without_the_schema_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap\[quantize\]'"):
        writer.load_schema()


def test_every_kind_is_in_the_schema() -> None:
    schema, _ = load_schema()
    for name, kind in KINDS.items():
        assert hasattr(schema.BuiltinOperator, name)
        assert not kind.options or hasattr(schema.BuiltinOptions, kind.options)
