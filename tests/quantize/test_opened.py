"""A converted file in the engine that runs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.errors import EngineMissing
from quantize import footprint
from quantize.engine import Engine
from quantize.opened import Interpreted, open_file, runs_with
from quantize.passes import draw_feeds
from tests.quantize.cards import save
from tests.quantize.graphs import Sketch

LITERT = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"
)


def small() -> onnx.ModelProto:
    s = Sketch()
    s.op("Sigmoid", s.conv(s.input("target", 1, 3, 8, 8), 3, 3), output="output")
    return s.model("output")


def test_an_onnx_file(tmp_path: Path) -> None:
    model = small()
    feeds = draw_feeds(model, count=1)[0]
    found = open_file(save(model, tmp_path / "m.onnx"), kernels="reference")
    assert runs_with(found) == "reference"
    wanted = Engine(model, kernels="reference").run(feeds)["output"]
    assert np.array_equal(found.run(feeds)["output"], wanted)


@LITERT
def test_a_tflite_file_takes_and_gives_the_same(tmp_path: Path) -> None:
    from quantize.export.tflite import to_tflite

    model = small()
    feeds = draw_feeds(model, count=1)[0]
    path = tmp_path / "m.tflite"
    path.write_bytes(to_tflite(model))
    found = open_file(path)
    assert isinstance(found, Interpreted)
    assert runs_with(found) == found.engine == "litert"
    got = found.run({**feeds, "more": np.zeros(1)})["output"]
    wanted = Engine(model).run(feeds)["output"]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-5


@LITERT
def test_a_tflite_file_of_a_model_whose_pictures_have_their_channels_last(tmp_path: Path) -> None:
    from quantize.export.tflite import to_tflite

    s = Sketch()
    x = s.op("Transpose", s.input("target", 1, 8, 6, 3), perm=[0, 3, 1, 2])
    s.op("Transpose", s.op("Sigmoid", s.conv(x, 3, 3)), perm=[0, 2, 3, 1], output="output")
    model = s.model("output")
    feeds = draw_feeds(model, count=1)[0]
    path = tmp_path / "m.tflite"
    path.write_bytes(to_tflite(model))
    got = open_file(path).run(feeds)["output"]
    wanted = Engine(model).run(feeds)["output"].transpose(0, 3, 1, 2)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-5


def test_without_an_engine_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise EngineMissing(f"{name} is not here")

    monkeypatch.setattr(footprint, "_import_engine", missing)
    with pytest.raises(EngineMissing, match="litert is not here"):
        open_file(tmp_path / "m.tflite")
    with pytest.raises(EngineMissing, match="mnn is not here"):
        open_file(tmp_path / "m.mnn")


def test_what_is_not_ours_has_no_kernels() -> None:
    class Other:
        def run(self, feeds: Any) -> Any:
            return {}

    assert runs_with(Other()) == ""
