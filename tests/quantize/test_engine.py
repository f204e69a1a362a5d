"""Models in ONNX Runtime, with a choice of kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from onnx import TensorProto

from quantize import engine as module
from quantize.engine import Engine, Kernels, Memory
from quantize.errors import EngineError, KernelsUnavailable
from quantize.passes import draw_feeds
from tests.quantize.cards import save
from tests.quantize.graphs import Sketch, reference_like

KERNELS: tuple[Kernels, ...] = get_args(Kernels)


def quantized() -> Any:
    """A convolution between Q/DQ pairs with a known answer."""
    s = Sketch(opset=13)
    x = s.input("x", 1, 2, 4, 4)
    one, zero = s.keep(1.0), s.keep(0, kind=np.uint8)
    x = s.op("DequantizeLinear", s.op("QuantizeLinear", x, one, zero), one, zero)
    weight = s.keep(np.full((1, 2, 1, 1), 3), kind=np.int8)
    w = s.op("DequantizeLinear", weight, s.keep(1.0), s.keep(0, kind=np.int8))
    y = s.op("Conv", x, w)
    s.op("DequantizeLinear", s.op("QuantizeLinear", y, one, zero), one, zero, output="y")
    return s.model("y")


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_quantized_model_gives_what_its_numbers_say(kernels: Kernels) -> None:
    engine = Engine(quantized(), kernels=kernels)
    assert (engine.inputs, engine.outputs, engine.kernels) == (("x",), ("y",), kernels)
    got = engine.run({"x": np.full((1, 2, 4, 4), 2, np.float32), "other": np.zeros(1)})
    assert np.array_equal(got["y"], np.full((1, 1, 4, 4), 12, np.float32))


@pytest.mark.parametrize("memory", get_args(Memory))
def test_what_becomes_of_memory_changes_no_result(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    real = module._options

    def options(*arguments: Any) -> Any:
        chosen.append(real(*arguments))
        return chosen[-1]

    monkeypatch.setattr(module, "_options", options)
    engine = Engine(quantized(), memory=memory)
    for _ in range(2):
        got = engine.run({"x": np.full((1, 2, 4, 4), 2, np.float32)})
        assert np.array_equal(got["y"], np.full((1, 1, 4, 4), 12, np.float32))
    assert chosen[0].enable_cpu_mem_arena == (memory == "kept")


def test_only_the_wanted_outputs_are_computed() -> None:
    model = reference_like()
    feeds = draw_feeds(model, count=1)[0]
    everything = Engine(model).run(feeds)
    some = Engine(model, outputs=["mask"])
    assert some.outputs == ("mask",)
    assert np.array_equal(some.run(feeds)["mask"], everything["mask"])
    with pytest.raises(EngineError, match=r"no output 'nothing' \(it has: output, mask\)"):
        Engine(model, outputs=["nothing"])


def test_the_reference_runs_every_node_as_it_is_written() -> None:
    model = quantized()
    asked = Engine(model, kernels="reference").profile({"x": np.ones((1, 2, 4, 4), np.float32)})
    fused = Engine(model, kernels="default").profile({"x": np.ones((1, 2, 4, 4), np.float32)})
    assert [record.operator for record in asked].count("Conv") == 1
    assert "QLinearConv" in {record.operator for record in fused}
    assert all(record.micros >= 0 and record.name for record in asked)


def test_nodes_are_counted_per_provider() -> None:
    model = reference_like()
    counted = Engine(model, kernels="reference").nodes_per_provider()
    assert counted == {"CPUExecutionProvider": len(model.graph.node)}


def test_a_profile_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Engine(reference_like()).nodes_per_provider()
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


def test_a_file_is_opened_as_a_model_is(tmp_path: Path) -> None:
    model = reference_like()
    feeds = draw_feeds(model, count=1)[0]
    from_file = Engine(save(model, tmp_path / "m.onnx")).run(feeds)
    assert np.array_equal(from_file["output"], Engine(model).run(feeds)["output"])


def test_a_large_model_goes_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    model = reference_like()
    before = model.SerializeToString(deterministic=True)
    feeds = draw_feeds(model, count=1)[0]
    wanted = Engine(model).run(feeds)
    monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 0)
    assert np.array_equal(Engine(model).run(feeds)["output"], wanted["output"])
    assert model.SerializeToString(deterministic=True) == before


def unknown_operator() -> Any:
    model = reference_like()
    model.graph.node[0].op_type = "NoSuchThing"
    return model


def wrong_type() -> Any:
    model = reference_like()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    return model


@pytest.mark.parametrize("broken", [unknown_operator, wrong_type])
def test_what_cannot_be_loaded_is_said_in_one_line(broken: Callable[[], Any]) -> None:
    with pytest.raises(EngineError, match="cannot load the model") as caught:
        Engine(broken())
    assert "\n" not in str(caught.value)
    with pytest.raises(KernelsUnavailable, match="precise"):
        Engine(broken(), kernels="precise")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"^broken\.onnx: ONNX Runtime cannot load"):
        Engine(path)


@pytest.mark.parametrize("act", [Engine.run, Engine.profile])
def test_a_missing_input_is_named(act: Callable[[Engine, Any], Any]) -> None:
    with pytest.raises(EngineError, match="nothing was given for input 'source'"):
        act(Engine(reference_like()), {"target": np.zeros((1, 3, 32, 32), np.float32)})


def test_a_run_that_fails_is_said_in_one_line() -> None:
    engine = Engine(reference_like())
    shape = (1, 3, 7, 7)
    with pytest.raises(EngineError, match="cannot run the model"):
        engine.run({"target": np.zeros(shape, np.float32), "source": np.zeros((1, 512))})
