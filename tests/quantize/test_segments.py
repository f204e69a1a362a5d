from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.engine import Engine
from quantize.errors import EngineError, GraphError
from quantize.passes import draw_feeds
from quantize.segments import Chain, Segments
from tests.quantize.graphs import TOPOLOGIES, Sketch


def named(model: onnx.ModelProto, kind: str) -> list[str]:
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return [node.name for node in model.graph.node if node.op_type == kind]


@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_a_chain_computes_what_the_model_does(topology: str) -> None:
    model = TOPOLOGIES[topology]()
    layers = named(model, "Conv")
    (feeds,) = draw_feeds(model, count=1)
    whole = Engine(model, kernels="reference").run(feeds)

    chain = Chain(Segments(model, layers))

    parts = chain.run(feeds)
    assert list(parts) == list(whole)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, atol=2e-5)


@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_every_segment_starts_with_its_layer_and_is_a_model_of_its_own(topology: str) -> None:
    model = TOPOLOGIES[topology]()
    layers = named(model, "Conv")
    segments = Segments(model, layers)

    assert [layer for layer in segments.layers if layer is not None] == layers
    for index, layer in enumerate(segments.layers):
        part = segments.build(index)
        onnx.checker.check_model(part, full_check=True)
        names = [node.name for node in part.graph.node if node.op_type != "Constant"]
        assert layer is None or names[0] == layer
        assert sum(name in layers for name in names) == (layer is not None)


def two_branches() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 4, 8, 8)
    left = s.op("Relu", s.conv(x, 4, 4))
    right = s.op("Relu", s.conv(x, 4, 4))
    s.op("Add", s.conv(left, 4, 3), s.conv(right, 4, 3), output="y")
    return s.model("y")


def doubled(segments: Segments, layer: str) -> Engine:
    """The segment of a layer, in which that layer gives twice as much."""
    part = segments.build(segments.layers.index(layer))
    reads = {part.graph.node[0].input[1], part.graph.node[0].input[2]}
    for tensor in part.graph.initializer:
        if tensor.name in reads:
            values = onnx.numpy_helper.to_array(tensor) * 2
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return Engine(part)


def test_exchanging_a_layer_reruns_what_depends_on_it_and_nothing_else() -> None:
    model = two_branches()
    layers = named(model, "Conv")
    segments = Segments(model, layers)
    chain = Chain(segments)
    (feeds,) = draw_feeds(model, count=1)
    traced = chain.trace(feeds)
    for layer in layers:
        chain.exchange(layer, doubled(segments, layer))

    assert chain.exchangeable == tuple(layers)
    for layer in layers:
        expected = chain.run(feeds, {layer})["y"]
        assert not np.allclose(expected, traced["y"])
        np.testing.assert_array_equal(chain.rerun(traced, layer)["y"], expected)

    ran: list[int] = []
    for index, engine in chain.steps({layers[1]}):
        original = engine.run

        def spy(feeds: dict[str, np.ndarray], original=original, index=index):  # type: ignore[no-untyped-def]
            ran.append(index)
            return original(feeds)

        engine.run = spy  # type: ignore[method-assign]
    chain.rerun(traced, layers[1])
    first = segments.layers.index(layers[0])
    assert first not in ran
    assert segments.layers.index(layers[1]) in ran


def test_an_engine_can_forget_the_model_that_it_was_given() -> None:
    model = two_branches()
    (feeds,) = draw_feeds(model, count=1)
    engine = Engine(model)
    before = engine.run(feeds)
    engine.forget_model()
    np.testing.assert_array_equal(engine.run(feeds)["y"], before["y"])
    with pytest.raises(EngineError, match="forgotten"):
        engine.profile(feeds)


def test_an_output_that_is_read_again_survives() -> None:
    s = Sketch()
    y = s.conv(s.input("x", 1, 4, 8, 8), 4, 4)
    s.op("Relu", y, output="a")
    s.op("Tanh", s.conv("a", 4, 4), output="b")
    model = s.model("a", "b")
    (feeds,) = draw_feeds(model, count=1)

    outputs = Chain(Segments(model, named(model, "Conv"))).run(feeds)

    assert set(outputs) == {"a", "b"}


def test_a_size_in_a_constant_node_stays_with_its_reader() -> None:
    s = Sketch()
    x = s.conv(s.input("x", 1, 4, 8, 8), 4, 4)
    value = onnx.numpy_helper.from_array(np.array([1, 4, 64], np.int64))
    shape = s.op("Constant", value=value)
    s.op("Reshape", s.conv(x, 4, 4), shape, output="y")
    model = s.model("y")
    segments = Segments(model, named(model, "Conv"))

    assert all(shape not in names for names in segments.inputs)
    (feeds,) = draw_feeds(model, count=1)
    assert Chain(segments).run(feeds)["y"].shape == (1, 4, 64)


def test_a_layer_that_is_not_there_is_refused() -> None:
    model = two_branches()
    named(model, "Conv")
    with pytest.raises(GraphError, match="no node 'nobody'"):
        Segments(model, ["nobody"])
