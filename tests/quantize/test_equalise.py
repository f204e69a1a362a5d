from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from quantize import recipes
from quantize.calibrate import calibrate
from quantize.engine import Engine
from quantize.equalise import equalise
from quantize.making import Material, make
from quantize.modelfile import load_model
from quantize.passes import InputSpec, draw_feeds
from quantize.passes._infra.feeds import Feeds
from quantize.prepare import prepare
from quantize.samples import Samples, samples_of
from quantize.settings import Settings, silent
from quantize.targets import load_target
from tests.quantize.cards import save
from tests.quantize.graphs import TOPOLOGIES, Sketch, doubled


def drawn(model: onnx.ModelProto, count: int = 2) -> Samples:
    specs = {value.name: InputSpec("uniform", -1, 1) for value in model.graph.input}
    return samples_of(draw_feeds(model, specs, count=count), "drawn")


def uneven(s: Sketch, name: str, axis: int) -> None:
    """Give the weights' channels very different sizes, as training without care does."""
    for tensor in s.stored:
        if tensor.name == name:
            values = numpy_helper.to_array(tensor)
            sizes = np.logspace(-1.5, 1.5, values.shape[axis], dtype=np.float32)
            shape = [-1 if index == axis else 1 for index in range(values.ndim)]
            tensor.CopyFrom(numpy_helper.from_array(values * sizes.reshape(shape), name))


def pair(kind: str = "Relu", between: str = "", depthwise: bool = False) -> onnx.ModelProto:
    s = Sketch(seed=2)
    x = s.conv(s.input("x", 1, 3, 12, 12), 3, 8)
    uneven(s, s.nodes[-1].input[1], 0)
    uneven(s, s.nodes[-1].input[2], 0)
    if kind == "PRelu":
        x = s.op("PRelu", x, s.keep(s.rng.uniform(-0.5, 0.5, (8, 1, 1))))
    elif kind:
        x = s.op(kind, x)
    if between == "Pad":
        x = s.op("Pad", x, s.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    elif between == "PadOne":
        x = s.op("Pad", x, s.ints(0, 0, 1, 1, 0, 0, 1, 1), s.keep(1.0))
    elif between == "Resize":
        x = doubled(s, x)
    elif between == "MaxPool":
        x = s.op("MaxPool", x, kernel_shape=[2, 2])
    if depthwise:
        x = s.op("Relu", s.conv(x, 8, 8, group=8))
    s.op("Identity", s.conv(x, 8, 3), output="y")
    return s.model("y")


def equalised(
    model: onnx.ModelProto, samples: Samples, *, per_channel: bool = True
) -> tuple[onnx.ModelProto, dict[str, NDArray[np.float64]]]:
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    factors = equalise(twin, calibrate(model, samples, cache=None), per_channel=per_channel)
    return twin, factors


def spread(model: onnx.ModelProto, feeds: Feeds, tensor: str) -> float:
    """How many times larger the largest channel is than the median one."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    twin.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    value = np.abs(Engine(twin, kernels="reference").run(feeds)[tensor]).max(axis=(0, 2, 3))
    return float(value.max() / np.median(value))


def assert_same(model: onnx.ModelProto, other: onnx.ModelProto, samples: Samples) -> None:
    for feeds in samples.feeds:
        wanted = Engine(model, kernels="reference").run(feeds)
        got = Engine(other, kernels="reference").run(feeds)
        for name, value in wanted.items():
            scale = max(1.0, float(np.abs(value).max()))
            np.testing.assert_allclose(got[name] / scale, value / scale, atol=1e-5)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("kind", ["", "Relu", "LeakyRelu", "PRelu"])
@pytest.mark.parametrize("between", ["", "Pad", "Resize", "MaxPool"])
def test_channels_are_balanced_and_the_model_computes_the_same(
    kind: str, between: str, per_channel: bool
) -> None:
    model = pair(kind, between)
    samples = drawn(model)
    last = model.graph.node[-2].input[0]

    twin, factors = equalised(model, samples, per_channel=per_channel)

    assert list(factors) == [model.graph.node[0].name]
    assert_same(model, twin, samples)
    before, after = (spread(m, samples.feeds[0], last) for m in (model, twin))
    assert after < 0.6 * before


def test_a_depthwise_chain_is_balanced_link_by_link() -> None:
    model = pair(depthwise=True)
    samples = drawn(model)
    twin, factors = equalised(model, samples)
    assert len(factors) == 2
    assert_same(model, twin, samples)


@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
@pytest.mark.parametrize("per_channel", [True, False])
def test_swap_models_compute_the_same(topology: str, per_channel: bool) -> None:
    model = TOPOLOGIES[topology]()
    samples = drawn(model, 1)
    assert_same(model, equalised(model, samples, per_channel=per_channel)[0], samples)


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "Exp"])
def test_what_minds_factors_stops_it(kind: str) -> None:
    model = pair(kind)
    twin, factors = equalised(model, drawn(model))
    assert factors == {}
    assert twin.SerializeToString() == model.SerializeToString()


def test_padding_with_ones_stops_it() -> None:
    model = pair("Relu", "PadOne")
    assert equalised(model, drawn(model))[1] == {}


@pytest.mark.parametrize("stop", ["output", "Add"])
def test_channels_that_others_read_are_left_alone(stop: str) -> None:
    s = Sketch(seed=2)
    x = s.op("Relu", s.conv(s.input("x", 1, 3, 8, 8), 3, 8), output="mid")
    uneven(s, s.nodes[0].input[1], 0)
    y = s.conv(x, 8, 8)
    s.op("Add" if stop == "Add" else "Identity", y, *([x] if stop == "Add" else []), output="y")
    model = s.model("y", "mid") if stop == "output" else s.model("y")
    assert equalised(model, drawn(model))[1] == {}


def test_a_skip_through_concat_is_scaled_for_both_readers() -> None:
    s = Sketch(seed=2)
    x = s.input("x", 1, 3, 8, 8)
    skip = s.op("Relu", s.conv(x, 3, 8))
    uneven(s, s.nodes[0].input[1], 0)
    inner = s.op("Sigmoid", s.conv(skip, 8, 4))
    s.op("Identity", s.conv(s.op("Concat", inner, skip, axis=1), 12, 3), output="y")
    model = s.model("y")
    samples = drawn(model)
    twin, factors = equalised(model, samples)
    assert list(factors) == [model.graph.node[0].name]
    assert_same(model, twin, samples)


def test_a_dead_channel_is_left_alone() -> None:
    s = Sketch(seed=2)
    x = s.op("Relu", s.conv(s.input("x", 1, 3, 8, 8), 3, 8))
    uneven(s, s.nodes[0].input[1], 0)
    for tensor in s.stored:
        values = numpy_helper.to_array(tensor).copy()
        values[3] = 0
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    s.op("Identity", s.conv(x, 8, 3), output="y")
    model = s.model("y")
    samples = drawn(model)
    twin, found = equalised(model, samples)
    (factors,) = found.values()
    assert factors[3] == 1.0
    assert np.isfinite(factors).all()
    assert_same(model, twin, samples)


@pytest.mark.parametrize("wanted", [True, False])
def test_it_is_done_where_the_recipe_says_so(wanted: bool, tmp_path: Path) -> None:
    text = (Path(recipes.__file__).parent / "recipes" / "x86_cpu.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace("equalise = true", f"equalise = {str(wanted).lower()}"))
    file = load_model(save(pair(), tmp_path / "m.onnx"))
    profile = load_target("x86_cpu")
    material = Material(prepare(file, profile), profile, None)
    settings = Settings(model=Path("m.onnx"), output=Path("out"), count=2, recipe=str(own))
    made = make(settings, material, silent)
    assert any("balanced" in note for note in made.notes) is wanted
