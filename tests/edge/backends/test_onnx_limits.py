"""Known attacks with ONNX files, each made anew here and refused before an engine opens it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.backends._onnx_file import check_onnx_file
from edge.cli import main
from edge.errors import ModelError
from edge.limits import limits_path
from tests import tiny

Nodes = Sequence[onnx.NodeProto]


def model(
    nodes: Nodes,
    weights: Sequence[onnx.TensorProto] = (),
    *,
    shape: Sequence[int] = (4,),
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = ("",),
) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", [given], [result], list(weights))
    sets = [helper.make_opsetid(domain, 17 if not domain else 1) for domain in domains]
    return helper.make_model(graph, opset_imports=sets, functions=list(functions))


def whole(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def relu() -> onnx.NodeProto:
    return helper.make_node("Relu", ["x"], ["y"])


def huge_weight() -> onnx.ModelProto:
    declared = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
    return model([relu()], [declared])


def negative_weight() -> onnx.ModelProto:
    return model([relu()], [TensorProto(name="w", data_type=1, dims=[-1, 4])])


def lying_weight() -> onnx.ModelProto:
    return model([relu()], [TensorProto(name="w", data_type=1, dims=[1000], raw_data=b"abcd")])


def huge_input() -> onnx.ModelProto:
    return model([relu()], shape=(1 << 16, 1 << 16, 4))


def from_constant(operator: str, *inputs: str) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        weights = [
            whole("shape", 1 << 30, 1 << 20),
            whole("zero", 0),
            whole("end", 1 << 50),
            whole("one", 1),
            numpy_helper.from_array(np.ones(1, np.float32), "value"),
            whole("depth", 1 << 40),
        ]
        return model([helper.make_node(operator, list(inputs), ["y"])], weights)

    return make


def by_a_constant_node() -> onnx.ModelProto:
    made = helper.make_node("Constant", [], ["s"], value=whole("v", 1 << 40))
    return model([made, helper.make_node("ConstantOfShape", ["s"], ["y"])])


def by_whole_numbers() -> onnx.ModelProto:
    made = helper.make_node("Constant", [], ["s"], value_ints=[1 << 20, 1 << 20])
    return model([made, helper.make_node("ConstantOfShape", ["s"], ["y"])])


def random_numbers() -> onnx.ModelProto:
    return model([helper.make_node("RandomNormal", [], ["y"], shape=[1 << 20, 1 << 20])])


def within_a_branch() -> onnx.ModelProto:
    inner = helper.make_node("ConstantOfShape", ["shape"], ["z"])
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branch = helper.make_graph([inner], "b", [], [out], [whole("shape", 1 << 45)])
    return model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)])


def function(name: str, *called: str) -> onnx.FunctionProto:
    nodes = [
        helper.make_node(each, ["a" if not at else f"t{at}"], [f"t{at + 1}"], domain="mine")
        for at, each in enumerate(called)
    ] or [helper.make_node("Relu", ["a"], ["t1"])]
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    return helper.make_function("mine", name, ["a"], [f"t{max(1, len(called))}"], nodes, sets)


def call(name: str) -> onnx.NodeProto:
    return helper.make_node(name, ["x"], ["y"], domain="mine")


def a_function_of_itself() -> onnx.ModelProto:
    functions = [function("f", "g"), function("g", "f")]
    return model([call("f")], functions=functions, domains=("", "mine"))


def a_billion_laughs() -> onnx.ModelProto:
    functions = [function("f0"), *(function(f"f{i}", *[f"f{i - 1}"] * 10) for i in range(1, 10))]
    return model([call("f9")], functions=functions, domains=("", "mine"))


def another_library() -> onnx.ModelProto:
    return model([call("Exec")], domains=("", "mine"))


ATTACKS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "a weight that declares 4 TiB": (huge_weight, "its weight 'w' has 4.194e+06 MiB"),
    "a weight of negative size": (negative_weight, "its weight 'w' has a negative size"),
    "a weight that lies about its size": (
        lying_weight,
        "fewer or more values than its shape: 4 bytes, not 4000",
    ),
    "an input of 64 GiB": (huge_input, "its tensor 'x' has 6.554e+04 MiB"),
    "ConstantOfShape": (from_constant("ConstantOfShape", "shape"), "ConstantOfShape makes"),
    "Expand": (from_constant("Expand", "value", "shape"), "Expand makes"),
    "Tile": (from_constant("Tile", "value", "depth"), "Tile makes"),
    "Range": (from_constant("Range", "zero", "end", "one"), "Range makes"),
    "Pad": (from_constant("Pad", "x", "shape"), "Pad makes"),
    "OneHot": (from_constant("OneHot", "zero", "depth", "value"), "OneHot makes"),
    "a size from a Constant node": (by_a_constant_node, "ConstantOfShape makes"),
    "a size from an attribute": (by_whole_numbers, "ConstantOfShape makes"),
    "random numbers": (random_numbers, "RandomNormal makes"),
    "a size within a branch": (within_a_branch, "ConstantOfShape makes"),
    "a function that calls itself": (a_function_of_itself, "calls itself"),
    "functions that unfold to 10^9 nodes": (a_billion_laughs, "unfold to more than"),
    "an operator of somebody's library": (another_library, "the custom operator mine.Exec"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_known_attacks_are_refused_with_one_line(name: str, tmp_path: Path) -> None:
    make, words = ATTACKS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(make().SerializeToString())
    assert path.stat().st_size < 10_000
    with pytest.raises(ModelError) as caught:
        check_onnx_file(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_engine_is_asked_to_open_is_checked_first(tmp_path: Path) -> None:
    from edge.backends import open_session

    path = tmp_path / "model.onnx"
    path.write_bytes(huge_weight().SerializeToString())
    with pytest.raises(ModelError, match="refused: its weight"):
        open_session(path)


def test_the_toolchain_checks_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(a_billion_laughs().SerializeToString())
    assert main(["quantize", str(path), "-o", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "unfold" in err
    assert not (tmp_path / "out").exists()


def test_too_many_nodes(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_nodes = 3\n")
    path = tmp_path / "model.onnx"
    path.write_bytes(model([relu()] * 4).SerializeToString())
    with pytest.raises(ModelError, match="more than 3 nodes"):
        check_onnx_file(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_mib = 1\n")
    weight = numpy_helper.from_array(np.zeros(300_000, np.float32), "w")
    path = tmp_path / "model.onnx"
    path.write_bytes(model([relu()], [weight]).SerializeToString())
    with pytest.raises(ModelError, match="at most 1 MiB"):
        check_onnx_file(path)


def test_a_domain_that_is_named_passes(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text('[model]\ndomains = ["mine"]\n')
    path = tmp_path / "model.onnx"
    path.write_bytes(another_library().SerializeToString())
    check_onnx_file(path)


def test_functions_of_the_file_itself_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    made = model([call("f")], functions=[function("f", "g"), function("g")], domains=("", "mine"))
    path.write_bytes(made.SerializeToString())
    check_onnx_file(path)


@pytest.mark.parametrize("kind", ["dots", "absolute", "link", "hard link", "folder", "pipe"])
def test_weights_of_another_file(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"k" * 16)
    location = {
        "dots": "sub/../../secret",
        "absolute": str(secret),
        "link": "weights.bin",
        "hard link": "weights.bin",
        "folder": "sub",
        "pipe": "weights.bin",
    }[kind]
    if kind == "link":
        os.symlink(secret, folder / location)
    elif kind == "hard link":
        os.link(secret, folder / location)
    elif kind == "pipe":
        os.mkfifo(folder / location)
    weight = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    path = folder / "model.onnx"
    path.write_bytes(model([relu()], [weight]).SerializeToString())
    with pytest.raises(ModelError, match="refused"):
        check_onnx_file(path)


def test_a_pickle_is_never_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    for name in ("model.onnx", "model.pt", "model.pth", "model.tflite", "model.mnn"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Trap()))
        assert main(["models", "add", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "sprung").exists()


def test_no_module_of_ours_unpickles() -> None:
    root = Path(__file__).parents[3]
    for folder in ("edge", "quantize"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for word in ("import pickle", "allow_pickle=True", "import shelve", "marshal.loads"):
                assert word not in text, path
            for call_ in ("np.load(", "numpy.load("):
                assert call_ not in text or "allow_pickle=False" in text, path


def test_metadata_with_control_characters_is_shown_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = onnx.load_from_string(tiny.swapper())
    sound.producer_name = "evil\x1b[2J\u202e"
    sound.metadata_props.add(key="\x1b]0;title\x07", value="\x1b[31m<script>")
    sound.graph.input[0].name = "in\x1b[1m"
    path = tmp_path / "x\x1b[2J.onnx"
    path.write_bytes(sound.SerializeToString())
    main(["models", "add", str(path)])
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize("make", [tiny.detector, tiny.embedder, tiny.swapper])
def test_sound_models_pass(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make())
    check_onnx_file(path)
