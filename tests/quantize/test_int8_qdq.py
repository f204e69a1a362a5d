from __future__ import annotations

import logging
import sys

import numpy as np
import onnx
import pytest

from edge.errors import EngineMissing
from quantize.int8 import to_int8
from quantize.int8_choice import choose
from quantize.int8_qdq import DQ, Q, insert, join_clipped, store_weight, tidy
from quantize.int8_ranges import activation_ranges
from quantize.int8_weights import quantize_weight
from quantize.passes._infra.graph import Graph
from quantize.stored import without_constants
from tests.quantize.int8_cases import calibrated, chain, kinds_of, recipe, stored


def _made(*kinds: str) -> onnx.ModelProto:
    model = chain(*kinds)
    return to_int8(model, calibrated(model), recipe()).model


def test_relu_becomes_part_of_the_layer_before_it() -> None:
    model = chain("Conv", "Relu", "Conv")
    choice = choose(Graph(model), recipe(), ())
    bare = without_constants(model)
    join_clipped(bare, choice)
    assert kinds_of(bare) == {"n0": "Conv", "n2": "Conv", "Tanh_y": "Tanh"}
    assert list(bare.graph.node[0].output) == list(bare.graph.node[1].input[:1])


def test_a_stored_weight_is_read_through_dequantize_linear() -> None:
    model = chain("Conv")
    bare = without_constants(model)
    weight = quantize_weight(stored(model)["k0"], 0)
    tensors = store_weight(bare, bare.graph.node[0], weight, "k0")
    assert [tensor.name for tensor in tensors] == ["k0_i8", "k0_s", "k0_z"]
    node = bare.graph.node[-1]
    assert (node.op_type, node.attribute[0].name, node.attribute[0].i) == (DQ, "axis", 0)
    assert bare.graph.node[0].input[1] == node.output[0] == "k0_dq"


def test_every_rounding_is_used_and_the_nodes_are_in_running_order() -> None:
    made = _made("Conv", "LeakyRelu", "Pad", "Conv", "Relu", "Conv")
    known = {value.name for value in made.graph.input} | set(stored(made)) | {""}
    read = {name for node in made.graph.node for name in node.input}
    outputs = {value.name for value in made.graph.output}
    for node in made.graph.node:
        assert set(node.input) <= known
        known |= set(node.output)
        assert set(node.output) & (read | outputs)
    assert set(stored(made)) <= read


def test_rounding_that_nothing_reads_is_taken_out() -> None:
    made = _made("Conv", "LeakyRelu", "Conv")
    before = len(made.graph.node)
    source = next(node for node in made.graph.node if node.op_type == Q)
    made.graph.node.add(op_type=Q, name="q", input=source.input, output=["unused_q"])
    made.graph.node.add(
        op_type=DQ, name="d", input=["unused_q", *source.input[1:]], output=["unused_dq"]
    )
    tidy(made)
    assert len(made.graph.node) == before


def test_equal_constants_are_stored_once_but_not_those_of_weights() -> None:
    # The engine rewrites the zero points of weights by name, and fails when it meets one twice.
    made = _made("Conv", "Pad", "Conv", "Pad", "Conv")
    values = stored(made)
    weights, activations = [], []
    for node in made.graph.node:
        if node.op_type == DQ and node.input[0] in values:
            weights += node.input[2:]
        elif node.op_type == Q:
            activations.append((node.input[1], node.input[2]))
    assert len(set(weights)) == len(weights) == 3
    # Two pads between three layers: a value and its padded copy share scale and zero point.
    assert len(activations) == 6
    assert len(set(activations)) == 4


def test_names_are_short_and_unique() -> None:
    made = _made("Conv", "LeakyRelu", "Conv")
    names = [node.name for node in made.graph.node]
    assert len(set(names)) == len(names)
    assert not any("QuantizeLinear" in name for name in [*names, *stored(made)])
    made_values = [name for node in made.graph.node for name in node.output]
    assert not any("QuantizeLinear" in name for name in made_values)


def _insert(model: onnx.ModelProto) -> None:
    graph = Graph(model)
    choice = choose(graph, recipe(), ())
    ends = activation_ranges(graph, choice.values, calibrated(model), recipe())
    bare = without_constants(model)
    for node in list(bare.graph.node):
        if node.op_type == "Conv":
            array = np.asarray(stored(model)[node.input[1]], np.float32)
            small = store_weight(bare, node, quantize_weight(array, 0), node.input[1])[1:]
            bare.graph.initializer.extend(small)
            del node.input[2:]
    insert(bare, graph, choice, ends, recipe())


def test_without_the_engine_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain("Conv")
    calibrated(model)
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap\[cpu,quantize\]'"):
        _insert(model)


def test_the_quantizers_remarks_stay_off_the_terminal(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger().level
    _insert(chain("Conv", "Conv"))
    assert logging.getLogger().level == level
    assert not caplog.records
    assert capsys.readouterr() == ("", "")
