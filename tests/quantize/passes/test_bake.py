"""A source becomes part of the graph, and all that it fixes is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from quantize.errors import PreconditionError
from quantize.passes import (
    STANDARD,
    Bake,
    ConvTransposeToConv,
    DepthToSpaceDcr,
    EdgePad,
    LiftEmap,
    Pass,
    PreluExact,
    ReciprocalToDiv,
    ReflectPad,
    StaticShapes,
    UnfuseInstanceNorm,
    bake_identity,
    run_passes,
)
from tests.quantize.graphs import TOPOLOGIES, Sketch, assert_settled, count, embedding, kinds

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "models" / "weights" / "ref_swapper.onnx"


def _baked(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    passes = [LiftEmap(folder / "emap.npy"), *STANDARD, *bake_identity({"source": embedding()})]
    result = run_passes(model, passes)
    assert result.difference <= 1e-5
    assert [value.name for value in result.model.graph.input] == ["target"]
    assert "Gemm" not in kinds(result.model)
    return result.model


def test_adain_becomes_instance_norm(tmp_path: Path) -> None:
    model = _baked(TOPOLOGIES["inswapper"](), tmp_path)
    assert count(model, "InstanceNormalization") == 4
    assert not kinds(model) & {"Mul", "Split", "Unsqueeze", "ReduceMean"}
    assert (tmp_path / "emap.npy").is_file()


def test_modulated_weights_become_plain(tmp_path: Path) -> None:
    model = _baked(TOPOLOGIES["mobile"](), tmp_path)
    stored = {tensor.name for tensor in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    assert all(node.input[1] in stored for node in convs)
    assert not kinds(model) & {"Mul", "Reshape", "Sqrt", "Div", "BatchNormalization"}


def test_gains_and_shifts_go_into_the_convolutions(tmp_path: Path) -> None:
    unbaked = TOPOLOGIES["reference"]()
    size = len(unbaked.SerializeToString())
    model = _baked(unbaked, tmp_path)
    assert count(model, "Mul") == 1  # the blend with the mask
    assert len(model.SerializeToString()) < size / 3


def test_a_branch_that_the_source_fixes_is_computed(tmp_path: Path) -> None:
    model = _baked(TOPOLOGIES["hyperswap"](), tmp_path)
    assert count(model, "ConvTranspose") == 1
    assert "DepthToSpace" not in kinds(model)


def _every_pass(folder: Path) -> list[Pass]:
    return [
        LiftEmap(folder / "emap.npy"),
        StaticShapes(),
        *STANDARD,
        *bake_identity({"source": embedding()}),
        PreluExact(),
        ReciprocalToDiv(),
        ReflectPad(),
        EdgePad(),
        ConvTransposeToConv(),
        DepthToSpaceDcr(),
        UnfuseInstanceNorm(),
        *STANDARD[:2],
    ]


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_every_pass_in_a_row(name: str, tmp_path: Path) -> None:
    model = run_passes(TOPOLOGIES[name](), _every_pass(tmp_path)).model
    gone = {"PRelu", "Reciprocal", "Pad", "ConvTranspose", "InstanceNormalization", "Gemm"}
    assert not kinds(model) & gone


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference swapper is not there")
def test_the_reference_swapper(tmp_path: Path) -> None:
    model = onnx.load(str(REFERENCE))
    size, seeing = REFERENCE.stat().st_size, _that_see(model)
    result = run_passes(model, _every_pass(tmp_path), samples=1)
    assert result.difference <= 1e-5
    assert _that_see(result.model) >= seeing > 0
    assert count(result.model, "Conv") == _that_see(result.model)  # what knew the source is gone
    assert "Gemm" not in kinds(result.model)
    assert len(result.model.SerializeToString()) < size


def _that_see(model: onnx.ModelProto) -> int:
    """Convolutions of more than one pixel: they see the target, and those of the source do not."""
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    return sum(max(shapes[node.input[1]][2:]) > 1 for node in convs)


def test_nothing_is_left_to_compute() -> None:
    s = Sketch()
    x, y = s.input("x", 1, 3), s.input("y", 1, 3)
    s.op("Add", s.op("Mul", x, s.op("Exp", y)), s.op("Neg", y), output="output")
    value = np.array([[1, 2, 3]], np.float32)
    result = run_passes(s.model("output"), [Bake({"y": value})])
    assert kinds(result.model) == {"Mul", "Add"}
    assert result.steps[0].difference == 0


def test_open_sizes_take_the_value() -> None:
    s = Sketch()
    x, y = s.input("x", 1, 3), s.input("y", "n", 3)
    s.op("Add", x, y, output="output")
    result = run_passes(s.model("output"), [Bake({"y": np.ones((1, 3), np.float32)})])
    assert_settled(result.model, ReflectPad())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "nothing to bake"),
        ({"face": embedding()}, r"no input 'face' .it has: target, source."),
        ({"source": embedding()[0]}, r"takes float32 .1, 512., not float32 .512,."),
        ({"source": embedding().astype(np.float64)}, "not float64"),
        ({"source": embedding() * np.float32(np.nan)}, "not finite"),
        (
            {"source": embedding(), "target": np.zeros((1, 3, 32, 32), np.float32)},
            "leave one open",
        ),
    ],
    ids=["none", "unknown", "shape", "type", "nan", "all"],
)
def test_values_that_do_not_fit(values: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(PreconditionError, match=message):
        Bake(values).requires(TOPOLOGIES["reference"]())
