"""OpenVINO: the same numbers as ONNX Runtime, and no reports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edge.backends import open_session, openvino
from edge.backends._onnx_outline import Port
from edge.errors import BackendError, EngineMissing, ModelError, ProviderError
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

HERE = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


@pytest.fixture
def model(edge_home: Path) -> Path:
    tiny.install(edge_home)
    return next(edge_home.rglob("tiny_swapper.onnx"))


@HERE
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_computes_what_onnx_runtime_does(model: Path) -> None:
    ours, theirs = (open_session(model, backend=name, threads=1) for name in ("openvino", "ort"))
    assert (ours.inputs, ours.outputs) == (theirs.inputs, theirs.outputs)
    shapes = {each.name: each.shape for each in theirs._session.get_inputs()}  # type: ignore[attr-defined]
    rng = np.random.default_rng(1)
    for _ in range(2):
        feeds = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
        for one, other in zip(ours.run(feeds), theirs.run(feeds), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    with pytest.raises(BackendError, match="inputs are"):
        ours.run({"nobody": np.zeros(1)})


@HERE
def test_what_reports_usage_is_not_loaded() -> None:
    script = (
        "import sys; from edge.backends.openvino import _import_engine; _import_engine(); "
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_engine_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[openvino\]"):
        open_session(tmp_path / "m.onnx", backend="openvino")


def test_other_files_and_providers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not an \.onnx model"):
        open_session(tmp_path / "m.tflite", backend="openvino")
    with pytest.raises(ProviderError, match="CUDA"):
        open_session(tmp_path / "m.onnx", backend="openvino", providers=["CUDAExecutionProvider"])


def test_a_module_is_missing_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with openvino._missing("colorsys"), pytest.raises(ImportError):
        __import__("colorsys")
    __import__("colorsys")


@dataclass
class _Named:
    """What the engine calls an input or output."""

    names: tuple[str, ...]

    def get_names(self) -> set[str]:
        return set(self.names)

    def get_any_name(self) -> str:
        return min(self.names)


@pytest.mark.parametrize(
    ("engine", "file", "found"),
    [
        ([("a_inner", "output")], ["output"], ["output"]),
        ([("mask",), ("inner", "output")], ["output", "mask"], ["mask", "output"]),
        ([("a", "c"), ("a", "c")], ["c", "a"], ["c", "a"]),
        ([("inner",), ("mask",)], ["output", "mask"], ["output", "mask"]),
        ([("inner",)], ["output", "other"], ["inner"]),
    ],
)
def test_names_are_those_of_the_file(
    engine: list[tuple[str, ...]], file: list[str], found: list[str]
) -> None:
    declared = [Port(name, "float32", None) for name in file]
    assert openvino._names([_Named(names) for names in engine], declared) == tuple(found)


@HERE
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_operators_that_change_nothing_take_no_names_away(tmp_path: Path) -> None:
    node = helper.make_node
    side = tiny._value("target", (1, 3, 8, 8)), tiny._value("output", (1, 3, 8, 8))
    nodes = [node("Dropout", ["target"], ["a"]), node("Relu", ["a"], ["b"])]
    nodes.append(node("Identity", ["b"], ["output"]))
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny.model_bytes(nodes, side[:1], side[1:], []))
    session = open_session(path, backend="openvino", threads=1)
    assert (session.inputs, session.outputs) == (("target",), ("output",))
    picture = np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 3, 8, 8)
    (found,) = session.run({"target": picture})
    np.testing.assert_array_equal(found, np.maximum(picture, 0))
