"""Half precision: what it saves, what it keeps, and how few casts it takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from quantize import fp16
from quantize.calibrate import Ranges
from quantize.engine import Engine
from quantize.errors import QuantizeError
from quantize.fp16 import to_fp16
from quantize.passes import draw_feeds
from tests.quantize.graphs import Sketch, count, decomposed_norm, inswapper_like, mobile_like
from tests.quantize.half_graphs import (
    FAMILIES,
    STAGES,
    interface,
    precisions,
    prepared,
    worst_psnr,
)

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def _stored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _assert_casts_are_few(model: onnx.ModelProto) -> None:
    """No value is cast twice to the same type, and no cast follows a cast."""
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    made = {node.output[0] for node in casts}
    outputs = {value.name for value in model.graph.output}
    assert not [node.name for node in casts if node.input[0] in made]
    ends = [(node.input[0], node.attribute[0].i) for node in casts if node.output[0] not in outputs]
    assert len(ends) == len(set(ends))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family(name: str, stage: str) -> None:
    model = prepared(name, stage)
    before = model.SerializeToString(deterministic=True)
    result = to_fp16(model)
    assert model.SerializeToString(deterministic=True) == before
    assert interface(result.model) == interface(model)
    assert worst_psnr(model, result.model) >= 60
    _assert_casts_are_few(result.model)
    assert result.casts == count(result.model, "Cast")
    names = {node.name for node in result.model.graph.node}
    assert set(result.kept_float) <= names
    large = [t for t in result.model.graph.initializer if len(t.raw_data) > 600]
    assert {t.data_type for t in large if t.name != "emap"} == {TensorProto.FLOAT16}


@pytest.mark.parametrize(
    ("name", "stage", "casts"),
    [
        # Inputs, output, and in and out of each of the norms.
        ("inswapper", "exported", 3 + 2 * 4),
        ("inswapper", "standard", 3 + 2 * 4),
        ("inswapper", "baked", 2 + 2 * 4),
        ("mobile", "baked", 2),
        ("hyperswap", "standard", 4 + 2),
        ("reference", "standard", 4),
    ],
)
def test_the_fewest_casts(name: str, stage: str, casts: int) -> None:
    assert to_fp16(prepared(name, stage)).casts == casts


@pytest.mark.parametrize("make", [inswapper_like, mobile_like])
def test_half_the_size(make: Callable[..., onnx.ModelProto]) -> None:
    model = make(width=40)
    kept = [tensor for tensor in model.graph.initializer if tensor.name != "emap"]
    del model.graph.initializer[:]  # an emap is lifted before, and stays float32 where it is not
    model.graph.initializer.extend(kept)
    size = len(model.SerializeToString())
    assert len(to_fp16(model).model.SerializeToString()) <= 0.51 * size


def test_epsilons_stay_exact() -> None:
    model = inswapper_like()
    result = to_fp16(model).model
    stored, makers = _stored(result), {n.output[0]: n for n in result.graph.node}
    guards = [makers[node.input[0]] for node in result.graph.node if node.op_type == "Sqrt"]
    assert len(guards) == 4
    for guard in guards:
        epsilon = stored[guard.input[1]]
        assert epsilon.dtype == np.float32
        assert epsilon == np.float32(1e-8)


def test_norms_keep_their_attributes_and_parameters() -> None:
    model = prepared("ghost", "standard")
    before = [n for n in model.graph.node if n.op_type == "InstanceNormalization"]
    result = to_fp16(model)
    after = [n for n in result.model.graph.node if n.op_type == "InstanceNormalization"]
    assert [list(node.attribute) for node in after] == [list(node.attribute) for node in before]
    stored = _stored(result.model)
    assert {stored[name].dtype for n in after for name in n.input[1:]} == {np.dtype(np.float32)}
    assert {result.kept_float[node.name] for node in after} == {"normalises"}


def _true_half(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Run a model with numpy's half precision, which the engine on this processor would hide."""
    results: Any = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(results[0])


def _flat_norm() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 4, 4, 4)
    s.op("Mul", decomposed_norm(s, x), s.keep(0.5), output="output")
    return s.model("output")


def test_a_flat_channel_does_not_divide_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).uniform(300, 600, (1, 4, 4, 4)).astype(np.float32)
    x[:, 1] = 1
    wanted = _true_half(_flat_norm(), {"x": x})
    given = _true_half(to_fp16(_flat_norm()).model, {"x": x})
    assert np.abs(given - wanted).max() < 5e-3
    monkeypatch.setattr(fp16, "nodes_to_keep", lambda *_: {})
    with np.errstate(all="ignore"):
        broken = _true_half(to_fp16(_flat_norm()).model, {"x": x})
    assert not np.all(np.isfinite(broken))


def test_what_overflows_stays_float32() -> None:
    s = Sketch()
    x = s.input("x", 1, 8)
    large = s.op("Mul", x, s.keep(2e5))
    small = s.op("Tanh", s.op("Mul", large, s.keep(1e-3)))
    s.op("Neg", small, output="output")
    model = s.model("output")
    ranges = Ranges({large: (-2e5, 1e5), small: (-1.0, 1.0)}, {})
    result = to_fp16(model, ranges)
    assert set(result.kept_float) == {f"Mul_{large}", "Mul_v1"}
    assert "reaches 2e+05" in result.kept_float["Mul_v1"]
    feeds = {"x": np.linspace(0, 1, 8, dtype=np.float32)[None]}
    given = _true_half(result.model, feeds)
    assert np.abs(given - Engine(model).run(feeds)["output"]).max() < 1e-3


def test_a_weight_that_is_read_in_both_precisions() -> None:
    s = Sketch()
    x, shared = s.input("x", 1, 8), s.keep(np.linspace(0.5, 1.5, 8)[None])
    normal = s.op("Div", x, s.op("Add", s.op("Abs", x), shared))
    s.op("Mul", s.op("Tanh", normal), shared, output="output")
    model = s.model("output")
    result = to_fp16(model)
    assert precisions(result.model) == {"FLOAT": 32, "FLOAT16": 16}
    assert worst_psnr(model, result.model) >= 60


def test_large_weights_of_float32_nodes_are_stored_in_half() -> None:
    s = Sketch()
    x = s.op("Abs", s.input("x", 1, 64))
    energy = s.op("Gemm", s.op("Mul", x, x), s.keep(s.rng.uniform(0, 1, (64, 128))))
    s.op("Tanh", s.op("Sqrt", energy), output="output")
    model = s.model("output")
    result = to_fp16(model)
    assert precisions(result.model) == {"FLOAT16": 64 * 128 * 2}
    gemm = next(node for node in result.model.graph.node if node.op_type == "Gemm")
    assert gemm.name in result.kept_float
    assert result.casts == 4  # input, before the sum, behind the root, output
    assert count(result.model, "Cast") == 5  # and that of the weight
    assert worst_psnr(model, result.model) >= 60


def test_an_output_that_the_graph_reads() -> None:
    s = Sketch()
    x = s.input("x", 1, 8)
    first = s.op("Tanh", x, output="first")
    second = s.op("Sqrt", s.op("Abs", first), output="second")
    s.op("Identity", s.op("Add", first, second), output="third")
    s.op("Identity", second, output="fourth")
    model = s.model("first", "second", "third", "fourth")
    result = to_fp16(model)
    assert interface(result.model) == interface(model)
    assert worst_psnr(model, result.model) >= 60
    _assert_casts_are_few(result.model)


def test_constants_of_every_kind() -> None:
    s = Sketch()
    x = s.input("x", 1, 2, 4, 4)
    half = s.op("Constant", value_float=0.5)
    gain = s.op("Constant", value=numpy_helper.from_array(np.full(1, 1e-8, np.float32)))
    scales = s.op("Constant", value_floats=[1.0, 1.0, 2.0, 2.0])
    y = s.op("Sqrt", s.op("Add", s.op("Mul", x, x), gain))
    s.op("Mul", s.op("Resize", y, "", scales, mode="nearest"), half, output="output")
    model = s.model("output")
    result = to_fp16(model)
    stored = _stored(result.model)
    assert count(result.model, "Constant") == 0
    assert stored[gain] == np.float32(1e-8)
    assert stored[gain].dtype == stored[scales].dtype == np.float32
    assert stored[half].dtype == np.float16
    assert worst_psnr(model, result.model) >= 60


def test_a_model_that_holds_half_precision_already() -> None:
    """Weights in float16 that are cast up, as one published model has them."""
    s = Sketch()
    x = s.input("x", 1, 8)
    weight = s.keep(s.rng.standard_normal((8, 8)), kind=np.float16)
    cast = s.op("Cast", weight, to=TensorProto.FLOAT)
    s.op("Tanh", s.op("Gemm", x, cast), output="output")
    model = s.model("output")
    result = to_fp16(model)
    assert worst_psnr(model, result.model) >= 60
    gemm = next(node for node in result.model.graph.node if node.op_type == "Gemm")
    assert gemm.input[1] == weight


@pytest.mark.parametrize("between", ["Abs", ""])
def test_casts_that_the_model_brings_along(between: str) -> None:
    s = Sketch()
    x = s.op("Tanh", s.input("x", 1, 8))
    half = s.op("Cast", x, to=TensorProto.FLOAT16)
    half = s.op(between, half) if between else half
    full = s.op("Cast", half, to=TensorProto.FLOAT)
    s.op("Add", s.op("Neg", full), s.op("Mul", full, full), output="output")
    model = s.model("output")
    result = to_fp16(model)
    assert worst_psnr(model, result.model) >= 60
    _assert_casts_are_few(result.model)


def test_constants_that_old_files_list_as_inputs() -> None:
    model = _flat_norm()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(value)
    result = to_fp16(model)
    assert [value.name for value in result.model.graph.input] == ["x"]
    assert worst_psnr(_flat_norm(), result.model) >= 55


def test_a_converter_that_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AttributeError("'list' object has no\nattribute 'input'")

    monkeypatch.setattr("onnxconverter_common.float16.convert_float_to_float16", broken)
    with pytest.raises(QuantizeError, match="'list' object has no attribute 'input'"):
        to_fp16(_flat_norm())


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxconverter_common", None)
    with pytest.raises(QuantizeError, match=r"pip install 'edge-swap\[quantize\]'"):
        to_fp16(_flat_norm())


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["Tanh", "Abs", "Sqrt", "Neg", "Add", "Mul", "ReduceMean", "Weight"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(steps=_STEPS, extra=st.integers(0, 7))
def test_any_graph(steps: list[tuple[str, int, int]], extra: int) -> None:
    s = Sketch()
    values = [s.input("x", 1, 6), s.input("y", 1, 6)]
    made = []
    for kind, first, second in steps:
        a, b = values[-1 - first % len(values)], values[-1 - second % len(values)]
        if kind == "Weight":
            value = s.op("Mul", a, s.keep(np.linspace(0.5, 1, 6)))
        elif kind == "ReduceMean":
            value = s.op("Add", b, s.op("ReduceMean", a, axes=[1]))
        elif kind in ("Add", "Mul"):
            value = s.op("Tanh", s.op(kind, a, b))
        else:
            value = s.op(kind, s.op("Sigmoid", a) if kind == "Sqrt" else a)
        values.append(value)
        made.append(value)
    outputs = sorted({made[-1], made[extra % len(made)]})
    model = s.model(*outputs)
    result = to_fp16(model)
    assert interface(result.model) == interface(model)
    _assert_casts_are_few(result.model)
    feeds = draw_feeds(model, count=1)[0]
    wanted, given = Engine(model).run(feeds), Engine(result.model).run(feeds)
    for name in outputs:
        assert np.abs(wanted[name] - given[name]).max() < 0.02
