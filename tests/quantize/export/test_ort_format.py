"""ORT format: what is written loads, computes the same, and fits the processor that it is for."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.errors import EngineMissing, OutputError
from quantize.calibrate import calibrate
from quantize.engine import Engine
from quantize.errors import CheckError, EngineError, QuantizeError, TargetError
from quantize.export import ort_format
from quantize.export.ort_format import READ_SINCE, format_of, to_ort
from quantize.fp16 import to_fp16
from quantize.int8 import to_int8
from quantize.modelfile import name_nodes
from quantize.passes import draw_feeds
from quantize.recipes import load_recipe
from quantize.samples import Samples
from quantize.targets import OrtStyle
from quantize.w8 import to_w8
from tests.quantize.graphs import Sketch
from tests.quantize.half_graphs import FAMILIES, prepared

STYLES: tuple[OrtStyle, ...] = ("fixed", "runtime")
ARCHITECTURES = ("x86_64", "aarch64")


def _model() -> onnx.ModelProto:
    s = Sketch()
    x = s.op("Relu", s.conv(s.input("x", 1, 3, 16, 16), 3, 16))
    x = s.op("Relu", s.conv(s.op("Relu", s.conv(x, 16, 16)), 16, 16))
    s.op("Neg", s.conv(x, 16, 3), output="output")
    model = s.model("output")
    name_nodes(model)
    return model


def _integer(model: onnx.ModelProto, recipe: str) -> onnx.ModelProto:
    samples = Samples(tuple(draw_feeds(model, count=2)), "test", "0" * 64)
    ranges = calibrate(model, samples, cache=None)
    return to_int8(model, ranges, load_recipe(recipe)).model


@cache
def _in(precision: str) -> onnx.ModelProto:
    model = prepared("mobile", "baked")
    if precision == "fp16":
        return to_fp16(model).model
    if precision == "w8":
        return to_w8(model)
    return model if precision == "fp32" else _integer(model, precision)


def _operators(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = set()
    for line in lines:
        if not line.startswith("#"):
            domain, _, entries = line.split(";", 2)
            # Types come in braces; what stands before them is the operator.
            depth, word = 0, ""
            for letter in entries + ",":
                depth += {"{": 1, "}": -1}.get(letter, 0)
                if letter == "," and depth == 0:
                    found.add(f"{domain}:{word}")
                    word = ""
                elif depth == 0 and letter != "}":
                    word += letter
    return found


@pytest.mark.parametrize("target", ARCHITECTURES)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "x86_cpu", "raspberry_pi"])
def test_every_precision(precision: str, style: OrtStyle, target: str, tmp_path: Path) -> None:
    model = _in(precision)
    before = model.SerializeToString(deterministic=True)
    output = tmp_path / "out" / "face.any.ort"
    output.parent.mkdir()
    files = to_ort(model, output, style=style, target=target)
    assert model.SerializeToString(deterministic=True) == before
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "face.any.ort",
        "face.any.required_operators.config",
    ]
    assert files.size == output.stat().st_size
    assert files.difference <= 1e-2
    assert Engine(output).inputs == ("target",)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family(name: str, tmp_path: Path) -> None:
    model = prepared(name, "standard")
    files = to_ort(model, tmp_path / "face.ort", style="fixed", target="aarch64")
    feeds = draw_feeds(model, count=1, seed=3)[0]
    wanted, given = Engine(model).run(feeds), Engine(files.model).run(feeds)
    for output, value in wanted.items():
        assert np.abs(value - given[output]).max() < 1e-4


def test_the_blocked_layout_is_for_x86_alone(tmp_path: Path) -> None:
    blocked = {}
    for target in ARCHITECTURES:
        files = to_ort(_model(), tmp_path / f"{target}.ort", style="fixed", target=target)
        found = _operators(files.config)
        blocked[target] = any(one.startswith("com.microsoft.nchwc:") for one in found)
        assert any("vector width" in note for note in files.notes) == (target == "x86_64")
    assert not blocked["aarch64"]
    # Where the engine has no such layout (an ARM workstation), there is nothing to leave out.
    kinds = {record.operator for record in Engine(_model()).profile(draw_feeds(_model())[0])}
    assert blocked["x86_64"] == bool(kinds & {"ReorderInput", "ReorderOutput"})


def test_the_list_of_operators(tmp_path: Path) -> None:
    fixed = to_ort(_model(), tmp_path / "fixed.ort", style="fixed", target="aarch64")
    text = fixed.config.read_text(encoding="utf-8")
    assert text.startswith("# Generated from fixed.ort\n")
    assert str(tmp_path) not in text
    assert _operators(fixed.config) == {
        "ai.onnx:Conv",
        "ai.onnx:Neg",
        "com.microsoft:FusedConv",
    }
    assert 'Conv{"inputs": {"0": ["float"]}}' in text
    late = to_ort(_model(), tmp_path / "late.ort", style="runtime", target="aarch64")
    # The fused one where the rewriting is redone, the plain ones where it is not.
    assert _operators(late.config) == {
        "ai.onnx:Conv",
        "ai.onnx:Neg",
        "ai.onnx:Relu",
        "com.microsoft:FusedConv",
    }
    assert any("enable_saved_runtime_optimizations" in note for note in late.notes)


def test_the_engines_own_reader_takes_the_list(tmp_path: Path) -> None:
    parser = pytest.importorskip("onnxruntime.tools.reduced_build_config_parser")
    files = to_ort(_model(), tmp_path / "face.ort", style="fixed", target="aarch64")
    operators, types = parser.parse_config(str(files.config), True)
    assert operators["ai.onnx"][11] == {"Conv"}
    assert types is not None


def test_half_precision_stays_half_the_size(tmp_path: Path) -> None:
    s = Sketch()
    s.op("Tanh", s.conv(s.conv(s.input("x", 1, 64, 8, 8), 64, 64), 64, 64), output="output")
    model = s.model("output")
    for style in STYLES:
        files = to_ort(to_fp16(model).model, tmp_path / "f.ort", style=style, target="x86_64")
        assert files.size < 0.6 * len(model.SerializeToString())


def test_signed_activations_are_computed_as_on_the_target(tmp_path: Path) -> None:
    model = _integer(_model(), "raspberry_pi")
    files = to_ort(model, tmp_path / "face.ort", style="fixed", target="aarch64")
    text = files.config.read_text(encoding="utf-8")
    conv = next(line for line in text.splitlines() if "QLinearConv" in line)
    assert '"0": ["int8_t"]' in conv.split("QLinearConv", 1)[1].split("}}", 1)[0]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8"])
def test_what_the_model_says_of_itself_stays(precision: str, tmp_path: Path) -> None:
    """Whose identity is baked in, for one, at which the runtime looks before it swaps."""
    ort = pytest.importorskip("onnxruntime")
    model = _model()
    model.metadata_props.add(key="identity", value="somebody")
    model = {"fp32": lambda m: m, "fp16": lambda m: to_fp16(m).model, "w8": to_w8}[precision](model)
    files = to_ort(model, tmp_path / "face.ort", style="fixed", target="aarch64")
    session = ort.InferenceSession(str(files.model), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"identity": "somebody"}


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    output = tmp_path / "face.ort"
    output.write_bytes(b"old")
    (tmp_path / "face.required_operators.config").write_text("old")
    files = to_ort(_model(), output, style="fixed", target="aarch64")
    assert output.read_bytes()[4:8] == b"ORTM"
    assert "Conv" in files.config.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("style", "target"), [("fixed", "raspberry_pi"), ("late", "x86_64"), ("fixed", "")]
)
def test_what_there_is_not(style: Any, target: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="take one of x86_64, aarch64 and one of fixed, runtime"):
        to_ort(_model(), tmp_path / "face.ort", style=style, target=target)
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broken in (0.5, float("nan")):
        monkeypatch.setattr(ort_format, "_apart", lambda *_, broken=broken: broken)
        with pytest.raises(CheckError, match="computes something else"):
            to_ort(_model(), tmp_path / "face.ort", style="fixed", target="aarch64")
        assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        if target.suffix == ".ort":
            raise OSError(28, "No space left on device")
        return original(self, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"face\.ort: cannot be written: the disk is full"):
        to_ort(_model(), tmp_path / "face.ort", style="fixed", target="aarch64")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder is not there"):
        to_ort(_model(), tmp_path / "no" / "face.ort", style="fixed", target="aarch64")


def test_too_large_for_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort_format, "_LARGEST", 100)
    with pytest.raises(QuantizeError, match="ends at 2 GB"):
        to_ort(_model(), tmp_path / "face.ort", style="fixed", target="aarch64")


def test_a_model_that_the_engine_refuses(tmp_path: Path) -> None:
    model = _model()
    model.graph.node[0].op_type = "Convolute"
    with pytest.raises(EngineError, match="cannot convert the model to ORT format") as caught:
        to_ort(model, tmp_path / "face.ort", style="fixed", target="aarch64")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap\[cpu,quantize\]'"):
        to_ort(_model(), tmp_path / "face.ort", style="fixed", target="aarch64")


@pytest.mark.parametrize("style", ["fixed", "runtime"])
def test_the_format_that_a_file_states(style: OrtStyle, tmp_path: Path) -> None:
    data = to_ort(_model(), tmp_path / "f.ort", style=style, target="aarch64").model.read_bytes()
    assert format_of(data) in READ_SINCE
    ends = (data[:9], data[:4] + b"ORTX" + data[8:], data[:8] + b"\xff" * 40)
    for broken in (b"", b"\xff" * 64, *ends):
        assert format_of(broken) not in READ_SINCE


@pytest.mark.parametrize("style", STYLES)
def test_an_output_that_is_true_or_false(style: OrtStyle, tmp_path: Path) -> None:
    model = _model()
    shape = [1, 3, 16, 16]
    value = onnx.helper.make_tensor_value_info("above", onnx.TensorProto.BOOL, shape)
    model.graph.output.append(value)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0, np.float32), "none"))
    model.graph.node.append(onnx.helper.make_node("Greater", ["output", "none"], ["above"]))
    to_ort(model, tmp_path / "m.ort", style=style, target="x86_64")
    feeds = draw_feeds(model, count=1)[0]
    assert np.array_equal(
        Engine(tmp_path / "m.ort").run(feeds)["above"], Engine(model).run(feeds)["above"]
    )
