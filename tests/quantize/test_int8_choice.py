from __future__ import annotations

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import GraphError
from quantize.int8 import to_int8
from quantize.int8_choice import candidates, choose, only_moves
from quantize.passes._infra.graph import Graph
from quantize.saturation import refused_layers
from tests.quantize.graphs import Sketch
from tests.quantize.int8_cases import calibrated, chain, fed, recipe, topology


def _named(model: onnx.ModelProto) -> Graph:
    return Graph(model)


def test_only_layers_with_stored_weights_are_candidates() -> None:
    s = Sketch()
    x, w = s.input("x", 1, 8, 8, 8), s.input("w", 8, 8, 1, 1)
    x = s.conv(x, 8, 8)
    x = s.op("Conv", x, w)  # weights that come from elsewhere
    x = s.op("Conv", x, s.noise(8, 1, 1, 1), group=8)  # a factor per channel
    x = s.op("Conv", x, s.noise(8, 1, 3, 3), group=8, pads=[1] * 4)  # a real depthwise one
    x = s.op("Relu", x)
    x = s.op("ConvTranspose", x, s.noise(8, 8, 2, 2), strides=[2, 2])
    s.op("Tanh", x, output="y")
    graph = _named(s.model("y"))
    assert candidates(graph, recipe()) == ("Conv_v0", "Conv_v3")
    every = recipe(operators=("Conv", "ConvTranspose"))
    assert candidates(graph, every) == ("Conv_v0", "Conv_v3", "ConvTranspose_v5")


def test_custom_operators_are_no_candidates() -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    model.graph.node[0].domain = "somebody.else"
    model.opset_import.append(onnx.helper.make_opsetid("somebody.else", 1))
    assert candidates(Graph(model), recipe()) == ("n2",)


def test_gemm_is_a_candidate_only_in_its_plain_form() -> None:
    s = Sketch()
    x = s.input("x", 1, 32)
    for attrs in ({}, {"transB": 1}, {"alpha": 2.0}, {"beta": 0.5}):
        x = s.op("Gemm", x, s.noise(32, 32), s.noise(32), **attrs)
    x = s.op("Gemm", x, s.noise(32, 32), s.noise(1, 32))  # a bias of two axes
    s.op("MatMul", x, s.noise(32, 32), output="y")
    graph = _named(s.model("y"))
    every = recipe(operators=("Gemm", "MatMul"))
    assert candidates(graph, every) == ("Gemm_v0", "Gemm_v1", "MatMul_y")


def test_recipes_fix_layers_by_place_and_by_pattern() -> None:
    model, _, _ = topology("inswapper")
    graph = Graph(model)
    everything = candidates(graph, recipe())
    convs = [node.name for node in model.graph.node if node.op_type == "Conv"]
    assert everything == tuple(convs)
    assert candidates(graph, recipe(float_layers=("@first",))) == tuple(convs[1:])
    assert candidates(graph, recipe(float_layers=("@last",))) == tuple(convs[:-1])
    patterns = (f"{convs[2][:-1]}?", "nothing*")
    assert convs[2] not in candidates(graph, recipe(float_layers=patterns))


def test_all_layers_that_outputs_come_from_are_last() -> None:
    model, _, _ = topology("hyperswap")
    graph = Graph(model)
    fixed = set(candidates(graph, recipe())) - set(
        candidates(graph, recipe(float_layers=("@last",)))
    )
    # The face and the mask each have a head.
    assert len(fixed) == 2


def test_relu_joins_the_layer_before_it_where_rounding_clips() -> None:
    model = chain("Conv", "Relu", "Conv", "LeakyRelu", "Conv")
    assert choose(Graph(model), recipe(), ()).clipped == ("n1",)
    # A zero point of 0 leaves half of the integers below zero: nothing is clipped by rounding.
    assert choose(Graph(model), recipe("jetson"), ()).clipped == ()
    assert choose(Graph(model), recipe(), ("n0",)).clipped == ()


def test_relu_stays_where_something_else_reads_the_layer() -> None:
    s = Sketch()
    y = s.conv(s.input("x", 1, 4, 8, 8), 4, 4)
    s.op("Add", s.conv(s.op("Relu", y), 4, 4), y, output="y")
    assert choose(Graph(s.model("y")), recipe(), ()).clipped == ()


def test_clip_joins_from_zero_alone() -> None:
    for low, joins in ((0.0, True), (-1.0, False)):
        s = Sketch()
        y = s.op("Clip", s.conv(s.input("x", 1, 4, 8, 8), 4, 4), s.keep(low), s.keep(6.0))
        s.op("Tanh", s.conv(y, 4, 4), output="y")
        assert bool(choose(Graph(s.model("y")), recipe(), ()).clipped) is joins


def test_islands_join_only_between_quantized_layers() -> None:
    model = chain("Conv", "LeakyRelu", "Pad", "Conv", "LeakyRelu", "Pad", "Conv")
    how = recipe(islands=("LeakyRelu", "Pad"))
    assert choose(Graph(model), how, ()).islands == ("n1", "n2", "n4", "n5")
    assert choose(Graph(model), how, ("n6",)).islands == ("n1", "n2")
    assert choose(Graph(model), how, ("n0",)).islands == ("n4", "n5")
    assert choose(Graph(model), recipe(islands=("Pad",)), ()).islands == ()
    assert choose(Graph(model), recipe(), ()).islands == ()


def test_islands_with_scalars_or_constants_do_not_join() -> None:
    s = Sketch()
    y = s.conv(s.input("x", 1, 4, 8, 8), 4, 4)
    y = s.op("Mul", y, s.keep(0.5))  # 0-d
    y = s.conv(y, 4, 4)
    y = s.op("Pad", y, s.ints(0, 0, 1, 1, 0, 0, 1, 1), s.keep(0.0))
    s.op("Tanh", s.conv(y, 4, 4), output="y")
    how = recipe(islands=("Mul", "Pad"))
    assert choose(Graph(s.model("y")), how, ()).islands == ()


def test_a_float_layer_between_quantized_ones_takes_the_cheaper_side_with_it() -> None:
    s = Sketch()
    x = s.input("x", 1, 8, 12, 12)
    x = s.conv(x, 8, 8)
    x = s.conv(x, 8, 8)
    s.op("Tanh", s.conv(x, 8, 8, 1), output="y")  # a ninth of the others
    choice = choose(Graph(s.model("y")), recipe(), ("Conv_v1",))
    assert choice.layers == ("Conv_v0",)
    assert choice.left_float == ("Conv_v1", "Conv_v2")


def test_a_float_layer_that_reads_what_a_float_node_made_stands_alone() -> None:
    model = chain("Conv", "LeakyRelu", "Conv", "LeakyRelu", "Conv")
    choice = choose(Graph(model), recipe(), ("n2",))
    assert choice.layers == ("n0", "n4")
    assert choice.left_float == ("n2",)


@pytest.mark.parametrize("carrier", ["Relu", "Transpose", "Crop", "MaxPool"])
def test_rounding_reaches_a_float_layer_through_what_carries_it(carrier: str) -> None:
    model = chain("Conv", carrier, "Conv", carrier, "Conv")
    choice = choose(Graph(model), recipe(), ("n2",))
    assert "n2" in choice.left_float
    assert len(choice.layers) == 1


_STEPS = st.sampled_from(
    ["Conv", "Conv", "Relu", "LeakyRelu", "Pad", "Crop", "Transpose", "MaxPool", "Double", "Resize"]
)


@settings(max_examples=12, deadline=None)
@given(
    steps=st.lists(_STEPS, min_size=1, max_size=6),
    floats=st.sets(st.integers(0, 6), min_size=1, max_size=2),
    islands=st.booleans(),
)
def test_what_is_left_float_runs_in_float(
    steps: list[str], floats: set[int], islands: bool
) -> None:
    steps = ["Conv", *steps, "Conv", "Conv"]
    if steps.count("Resize") > 2:
        steps = [kind for kind in steps if kind != "Resize"]
    model = chain(*steps)
    graph = Graph(model)
    how = recipe(islands=("LeakyRelu", "Pad", "Resize", "Add") if islands else ())
    able = candidates(graph, how)
    asked = [able[index] for index in floats if index < len(able)]
    made = to_int8(model, calibrated(model), how, float_layers=asked)
    assert set(asked) <= set(made.left_float)
    assert set(made.quantized) | set(made.left_float) == set(able)
    assert refused_layers(made.model, fed(model).feeds[0]) == ()


def test_what_only_moves_values_about() -> None:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    sides = s.ints(0, 0, 1, 1, 0, 0, 1, 1)
    cases = {
        s.op("Pad", x, sides, mode="reflect"): True,
        s.op("Pad", x, sides): True,
        s.op("Pad", x, sides, s.keep(0.0)): True,
        s.op("Pad", x, sides, s.keep(1.0)): False,
        s.op("Resize", x, "", s.keep([1, 1, 2, 2]), mode="nearest"): True,
        s.op("Resize", x, "", s.keep([1, 1, 2, 2]), mode="linear"): False,
        s.op("DepthToSpace", x, blocksize=2): True,
        s.op("LeakyRelu", x): False,
    }
    graph = Graph(s.model(*cases))
    for name, moves in cases.items():
        node = graph.maker(name)
        assert node is not None
        assert only_moves(graph, node) is moves, name


def test_names_that_do_not_fit_are_refused() -> None:
    model = chain("Conv", "Conv")
    with pytest.raises(GraphError, match=r"no node 'n9' to leave float"):
        choose(Graph(model), recipe(), ("n9",))
    model.graph.node[1].name = "n0"
    with pytest.raises(GraphError, match="has no name of its own"):
        choose(Graph(model), recipe(), ())
    model.graph.node[1].name = ""
    with pytest.raises(GraphError, match="name_nodes"):
        candidates(Graph(model), recipe())
