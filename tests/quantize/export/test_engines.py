"""MNN and ncnn files: every topology computes what ONNX Runtime does, or one line says why not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge.backends import open_session
from edge.errors import EngineMissing
from quantize.engine import Engine
from quantize.errors import ConverterError
from quantize.export import mnn, ncnn
from quantize.passes import (
    STANDARD,
    DepthToSpaceCrd,
    LiftEmap,
    StaticShapes,
    draw_feeds,
    run_passes,
)
from tests.quantize.graphs import TOPOLOGIES

HAS = {
    "mnn": find_spec("MNN") is not None,
    "ncnn": find_spec("ncnn") is not None and find_spec("pnnx") is not None,
}
MNN = pytest.mark.skipif(not HAS["mnn"], reason="MNN is not installed")
NCNN = pytest.mark.skipif(not HAS["ncnn"], reason="ncnn and pnnx are not installed")

FORMATS = [pytest.param("mnn", marks=MNN), pytest.param("ncnn", marks=NCNN)]


def _prepared(name: str, folder: Path) -> onnx.ModelProto:
    first = (LiftEmap(folder / "emap.npy"), StaticShapes({}))
    return run_passes(TOPOLOGIES[name](), (*first, *STANDARD, DepthToSpaceCrd()), samples=1).model


def _write(form: str, model: onnx.ModelProto, path: Path) -> Path:
    if form == "mnn":
        mnn.to_mnn(model, path)
    else:
        ncnn.to_ncnn(model, path)
    return path


def _apart(model: onnx.ModelProto, path: Path) -> float:
    feeds = draw_feeds(model, count=1)[0]
    wanted = Engine(model).run(feeds)
    session = open_session(path, backend=path.suffix[1:], threads=1)
    got = dict(zip(session.outputs, session.run(feeds), strict=True))
    assert set(got) == set(wanted)
    for name, values in got.items():
        assert values.shape == wanted[name].shape
    return max(float(np.abs(got[name] - wanted[name]).max()) for name in wanted)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_is_exact(form: str, name: str, tmp_path: Path) -> None:
    model = _prepared(name, tmp_path)
    assert _apart(model, _write(form, model, tmp_path / f"m.{form}")) < 3e-4


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_model_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    model = _prepared("reference", tmp_path)
    first, second = (_write(form, model, tmp_path / f"{name}.{form}") for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@MNN
@pytest.mark.parametrize(("weights", "share", "apart"), [("fp16", 0.6, 0.01), ("w8", 0.4, 0.1)])
def test_mnn_stores_weights_smaller(
    weights: mnn.Weights, share: float, apart: float, tmp_path: Path
) -> None:
    model = _prepared("inswapper", tmp_path)
    mnn.to_mnn(model, tmp_path / "float.mnn")
    mnn.to_mnn(model, tmp_path / "small.mnn", weights=weights)
    sizes = [(tmp_path / f"{name}.mnn").stat().st_size for name in ("float", "small")]
    assert sizes[1] < share * sizes[0]
    assert 1e-7 < _apart(model, tmp_path / "small.mnn") < apart


@NCNN
def test_ncnn_stores_weights_in_half(tmp_path: Path) -> None:
    model = _prepared("inswapper", tmp_path)
    ncnn.to_ncnn(model, tmp_path / "float.ncnn")
    ncnn.to_ncnn(model, tmp_path / "half.ncnn", weights="fp16")
    sizes = [(tmp_path / f"{name}.ncnn").stat().st_size for name in ("float", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert 1e-7 < _apart(model, tmp_path / "half.ncnn") < 0.01


@pytest.mark.parametrize("form", FORMATS)
def test_what_it_cannot_convert_is_one_line(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{form}"
    with pytest.raises(ConverterError, match=r"cannot convert this model|crashed") as caught:
        _write(form, _lone("Nothing"), path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def _lone(kind: str, **attributes: Any) -> onnx.ModelProto:
    """Return a model of one node, (1, 4, 2, 2) in and (1, 1, 4, 4) out."""
    node = helper.make_node(kind, ["x"], ["output"], **attributes)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 4, 2, 2]), ("output", [1, 1, 4, 4]))
    ]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@NCNN
def test_a_layer_that_ncnn_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="ncnn has no DepthToSpace"):
        ncnn.to_ncnn(_lone("DepthToSpace", blocksize=2, mode="DCR"), tmp_path / "m.ncnn")


@pytest.mark.parametrize("form", ["mnn", "ncnn"])
def test_without_a_converter_the_way_to_it_is_named(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"mnn": mnn, "ncnn": ncnn}[form]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match="pip install"):
        _write(form, onnx.ModelProto(), tmp_path / f"m.{form}")
