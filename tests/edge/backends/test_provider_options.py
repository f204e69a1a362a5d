"""What providers are opened with: a profile's options, for one model on one machine."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import engines
from edge.backends import open_session
from edge.backends._provider_options import builds_engines, has_static_shapes, ready
from edge.engines import Builder, engines_dir
from edge.errors import BackendError, ProviderError
from edge.providers import Provider
from edge.targets import ways_of
from tests import tiny
from tests.quantize.graphs import Sketch

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

ORIN = Builder("10.3.0", "Orin", "8.7", "12.6")
TENSORRT, CUDA, CPU = (one for one in ways_of("jetson")[0].providers if isinstance(one, Provider))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "swapper.onnx"
    path.write_bytes(tiny.swapper(size=16))
    return path


@pytest.fixture
def open_model(tmp_path: Path) -> Path:
    s = Sketch()
    s.op("Relu", s.input("x", "n", 3, 8, 8), output="y")
    path = tmp_path / "open.onnx"
    path.write_bytes(s.model("y").SerializeToString())
    return path


@pytest.fixture
def orin(monkeypatch: pytest.MonkeyPatch, edge_home: Path) -> list[Any]:
    """A machine with TensorRT, as far as the names of its providers go; sessions run on the CPU."""
    import onnxruntime

    asked: list[Any] = []
    real = onnxruntime.InferenceSession

    class Session:
        def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
            asked.append(providers)
            self._real = real(path, options, providers=["CPUExecutionProvider"])
            self.runs_on = [one if isinstance(one, str) else one[0] for one in providers]

        def get_providers(self) -> list[str]:
            return self.runs_on

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    have = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(engines, "this_builder", lambda: ORIN)
    return asked


def test_a_provider_is_its_name() -> None:
    one = Provider("CUDAExecutionProvider", {"a": "1"}, {"b": "2"}, "cuda")
    assert one == "CUDAExecutionProvider"
    assert one in {"CUDAExecutionProvider"}
    assert (one.options, one.static_options, one.device) == ({"a": "1"}, {"b": "2"}, "cuda")


def test_the_order_of_a_jetson_is_strict_and_states_its_options(
    model: Path, orin: list[Any]
) -> None:
    on_cpu = [Provider(one, one.options, one.static_options, "cpu") for one in (TENSORRT, CUDA)]
    session = open_session(model, providers=(*on_cpu, CPU))
    assert session.provider == "TensorrtExecutionProvider"
    (first, options), second, third = orin[0]
    assert (first, second, third) == (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    )
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
    folder = Path(options["trt_engine_cache_path"])
    assert folder.parent == engines_dir()
    assert options["trt_timing_cache_path"] == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert options["trt_fp16_enable"] == options["trt_int8_enable"] == "0"  # it is float32
    assert options["trt_cuda_graph_enable"] == "1"  # all sizes of this model are fixed
    feeds = {
        "target": np.full((1, 3, 16, 16), 0.5, np.float32),
        "source": np.zeros((1, 512), np.float32),
    }
    np.testing.assert_allclose(session.run(feeds)[0], 0.5)


def test_open_sizes_get_no_cuda_graph(open_model: Path, orin: list[Any]) -> None:
    assert not has_static_shapes(open_model)
    (_, options), *_ = ready(open_model, (TENSORRT,))
    assert "trt_cuda_graph_enable" not in options
    session = open_session(open_model, providers=(Provider(CUDA, device="cpu"), CPU))
    x = np.ones((2, 3, 8, 8), np.float32)
    assert session.run({"x": x})[0].shape == x.shape  # not bound: any number goes


def test_one_that_gives_up_is_still_an_error(
    model: Path, orin: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime.InferenceSession, "get_providers", lambda self: ["CPUExecutionProvider"]
    )
    with pytest.raises(ProviderError, match=r"asked for Tensorrt.* would run it on CPU"):
        open_session(model, providers=(TENSORRT, CUDA, CPU))


def test_without_tensorrt_it_is_named(model: Path, edge_home: Path) -> None:
    with pytest.raises(ProviderError, match=r"TensorrtExecutionProvider is not in"):
        open_session(model, providers=(TENSORRT, CUDA, CPU))


@pytest.mark.parametrize(("kind", "half", "int8"), [("float16", "1", "0"), ("Q", "0", "1")])
def test_tensorrt_is_told_the_precision(
    kind: str, half: str, int8: str, tmp_path: Path, orin: list[Any]
) -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 8, 8)
    if kind == "Q":
        names = s.keep(0.1), s.keep(0, kind=np.int8)
        s.op("DequantizeLinear", s.op("QuantizeLinear", x, *names), *names, output="y")
    else:
        weight = s.op("Cast", s.keep(np.ones((1, 3, 1, 1)), kind=np.float16), to=1)
        s.op("Conv", x, weight, output="y")
    path = tmp_path / "m.onnx"
    path.write_bytes(s.model("y").SerializeToString())
    (_, options), *_ = ready(path, (TENSORRT,))
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (half, int8)


def test_plain_names_stay_names(model: Path) -> None:
    assert ready(model, ("CPUExecutionProvider",)) == ["CPUExecutionProvider"]
    assert not builds_engines(("CPUExecutionProvider", CUDA))
    assert builds_engines((TENSORRT,))


def test_a_cache_folder_that_options_cannot_hold(
    model: Path, orin: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "engine_folder", lambda path: Path("/a;b"))
    with pytest.raises(BackendError, match="must not hold braces"):
        ready(model, (TENSORRT,))
