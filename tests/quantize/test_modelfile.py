"""Model files: what is taken, what is refused and in which words, and writing them whole."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import OutputError
from quantize import modelfile
from quantize.errors import ModelFileError
from quantize.modelfile import digest_of, load_model, name_nodes, save_model, write_file
from tests.quantize.cards import save
from tests.quantize.graphs import IR_VERSION, TOPOLOGIES, Sketch, reference_like


def bytes_of(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_model_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    model = TOPOLOGIES[name]()
    path = save(model, tmp_path / "m.onnx")
    file = load_model(path)
    assert bytes_of(file.model) == bytes_of(model)
    assert file.size == path.stat().st_size
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == digest_of([path])


def with_node(node: onnx.NodeProto, **extra: Any) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "g",
        [value("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [value("y", TensorProto.FLOAT, [1, 3, 4, 4])],
        **extra,
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my.own", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def opset(version: int) -> onnx.ModelProto:
    model = with_node(helper.make_node("Relu", ["x"], ["y"]))
    model.opset_import[0].version = version
    return model


def no_opset() -> onnx.ModelProto:
    model = with_node(helper.make_node("Relu", ["x"], ["y"]))
    del model.opset_import[0]
    return model


def conditional() -> onnx.ModelProto:
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "t", [], [])
    node = helper.make_node("If", ["x"], ["y"], name="choose", then_branch=then, else_branch=then)
    return with_node(node)


def loop() -> onnx.ModelProto:
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "t", [], [])
    return with_node(helper.make_node("Loop", ["", "", "x"], ["y"], name="turn", body=body))


def function() -> onnx.ModelProto:
    model = with_node(helper.make_node("Relu", ["x"], ["y"]))
    imports = [helper.make_opsetid("", 17)]
    nodes = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("my.own", "Twice", ["a"], ["b"], nodes, imports))
    return model


def weighted(values: Any, kind: Any = np.float32) -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.asarray(values, kind), "w")
    return with_node(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[tensor])


def constant_nan() -> onnx.ModelProto:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    k = s.op(
        "Constant", value=numpy_helper.from_array(np.asarray([np.nan, 1, 1, 1], np.float32), "k")
    )
    return unchecked(s, s.op("Add", x, k))


def unchecked(s: Sketch, output: str) -> onnx.ModelProto:
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 3, 4, 4])
    graph = helper.make_graph(s.nodes, "g", s.inputs, [value], s.stored)
    imports = [helper.make_opsetid("", s.opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def odd_weight() -> onnx.ModelProto:
    model = weighted([1, 1, 1, 1])
    model.graph.initializer[0].data_type = 255
    return model


def short_weight() -> onnx.ModelProto:
    model = weighted(np.ones((1, 3, 4, 4)))
    model.graph.initializer[0].raw_data = b"\0" * 8
    return model


def short_typed_weight() -> onnx.ModelProto:
    model = weighted(np.ones((1, 3, 4, 4)))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend([1.0, 2.0])
    return model


def untyped_weight() -> onnx.ModelProto:
    model = weighted(np.ones((1, 3, 4, 4)))
    model.graph.initializer[0].data_type = TensorProto.UNDEFINED
    return model


def negative_weight() -> onnx.ModelProto:
    model = weighted(np.ones((1, 3, 4, 4)))
    model.graph.initializer[0].dims[0] = -1
    return model


def emptied(field: str) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        model = with_node(helper.make_node("Relu", ["x"], ["y"]))
        del getattr(model.graph, field)[:]
        return model

    return make


def dangling() -> onnx.ModelProto:
    return with_node(helper.make_node("Relu", ["nowhere"], ["y"]))


def sparse() -> onnx.ModelProto:
    model = with_node(helper.make_node("Relu", ["x"], ["y"]))
    model.graph.sparse_initializer.add().values.name = "thin"
    return model


BAD: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "opset too old": (lambda: opset(9), "opset 9 is not supported: export the model with opset 11"),
    "opset too new": (lambda: opset(99), "opset 99 is not supported"),
    "no opset": (no_opset, "does not say which opset"),
    "if": (conditional, r"node 'choose' \(If\) holds a subgraph"),
    "loop": (loop, r"node 'turn' \(Loop\) holds a subgraph"),
    "function": (function, "its own function 'Twice': inline it"),
    "custom operator": (
        lambda: with_node(helper.make_node("Twist", ["x"], ["y"], name="t", domain="my.own")),
        r"node 't' is the custom operator my\.own\.Twist",
    ),
    "unknown operator": (
        lambda: with_node(helper.make_node("Twist", ["x"], ["y"])),
        "node 'y' is of the operator Twist, which ONNX does not have",
    ),
    "nan": (lambda: weighted([np.nan, 1, 1, np.nan]), "'w' holds 2 values that are no numbers"),
    "half nan": (lambda: weighted([np.nan, 1, 1, 1], np.float16), "'w' holds 1 values that are no"),
    "infinite": (lambda: weighted([np.inf, 1, 1, 1]), "'w' holds infinite values"),
    "nan in a constant": (constant_nan, "'k' holds 1 values that are no numbers"),
    "odd weight": (odd_weight, "'w' is of type 255, which there is not"),
    "short weight": (short_weight, "'w' holds fewer or more values than its shape"),
    "short typed weight": (short_typed_weight, "'w' does not hold what its shape says"),
    "untyped weight": (untyped_weight, "'w' has no type"),
    "negative weight": (negative_weight, "'w' has a negative size"),
    "no nodes": (emptied("node"), "the graph has no nodes"),
    "no inputs": (emptied("input"), "the graph has no inputs"),
    "no outputs": (emptied("output"), "the graph has no outputs"),
    "dangling": (dangling, "not a valid ONNX model"),
    "sparse": (sparse, "'thin' is stored sparse"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    path = save(make(), tmp_path / "bad.onnx")
    with pytest.raises(ModelFileError, match=words) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"no model at all", b"\x89PNG\r\n\x1a\n" * 9], ids=len
)
def test_what_is_no_model(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="ONNX model"):
        load_model(path)


@pytest.mark.parametrize("text", [b"tiny", b"Relu_y", b"my_input", b"Relu"])
def test_a_name_that_is_no_text(text: bytes, tmp_path: Path) -> None:
    """Protocol buffers hand such names out as bytes."""
    node = helper.make_node("Relu", ["my_input"], ["y"], name="Relu_y")
    model = with_node(node)
    model.graph.name = "tiny"
    data = model.SerializeToString().replace(text, b"\xff" * len(text))
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="stands where a name belongs"):
        load_model(path)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_model(share: float, tmp_path: Path) -> None:
    data = reference_like().SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelFileError, match="truncated"):
        load_model(path)


def test_no_such_file_a_folder_a_pipe(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        load_model(tmp_path / "absent.onnx")
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="is no plain file"):
        load_model(tmp_path / "pipe.onnx")


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(reference_like(), tmp_path / "m.onnx")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(ModelFileError, match="permission denied"):
        load_model(path)


def test_one_infinite_number_may_be_a_bound(tmp_path: Path) -> None:
    load_model(save(weighted([np.inf]), tmp_path / "m.onnx"))


def test_names_are_unique_and_follow_what_nodes_make() -> None:
    model = reference_like()
    for node in model.graph.node:
        node.name = ""
    model.graph.node[0].name = model.graph.node[1].name = "twice"
    name_nodes(model)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert names[0] == "twice"
    by_output = {node.output[0]: node.name for node in model.graph.node}
    other = reference_like()
    for node in other.graph.node:
        node.name = ""
    other.graph.node[0].name = other.graph.node[1].name = "twice"
    name_nodes(other)
    assert {node.output[0]: node.name for node in other.graph.node} == by_output
    name_nodes(model)
    assert [node.name for node in model.graph.node] == names


def test_a_taken_name_is_not_given_again() -> None:
    model = with_node(helper.make_node("Relu", ["x"], ["m"]))
    model.graph.node.append(helper.make_node("Relu", ["m"], ["y"], name="Relu_m"))
    name_nodes(model)
    assert [node.name for node in model.graph.node] == ["Relu_m_2", "Relu_m"]


def test_saving_and_loading(tmp_path: Path) -> None:
    model, path = reference_like(), tmp_path / "m.onnx"
    assert save_model(model, path) == path.stat().st_size
    assert bytes_of(load_model(path).model) == bytes_of(model)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["m.onnx"]


def test_a_huge_model_is_saved_in_two_files(tmp_path: Path) -> None:
    model, path = TOPOLOGIES["inswapper"](), tmp_path / "m.onnx"
    model.metadata_props.add(key="who", value="we")
    before = bytes_of(model)
    size = save_model(model, path, largest=1000)
    weights = tmp_path / "m.onnx.data"
    assert size == path.stat().st_size + weights.stat().st_size
    assert weights.stat().st_size > 0.9 * size
    assert bytes_of(model) == before
    file = load_model(path)
    assert file.size == size
    assert file.sha256 == digest_of([path, weights])
    assert bytes_of(file.model) == before
    onnx.checker.check_model(str(path))


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("largest", [10**9, 1000], ids=["one file", "two files"])
def test_a_full_disk_leaves_nothing(
    largest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"m\.onnx.*: cannot be written: the disk is full"):
        save_model(reference_like(), folder / "m.onnx", largest=largest)
    assert not list(folder.iterdir())


def test_weights_do_not_stay_without_their_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    real = modelfile._write_whole

    def second_fails(path: Path, parts: Any) -> int:
        if path.suffix == ".onnx":
            raise KeyboardInterrupt
        return real(path, parts)

    monkeypatch.setattr(modelfile, "_write_whole", second_fails)
    with pytest.raises(KeyboardInterrupt):
        save_model(reference_like(), folder / "m.onnx", largest=1000)
    assert not list(folder.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder is not there"):
        write_file(tmp_path / "absent" / "x", b"x")
