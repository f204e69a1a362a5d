from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.cli import main
from edge.errors import ModelError
from edge.isolation.jobs import JOBS
from edge.isolation.looking import try_model_isolated
from edge.isolation.run import Request, ask
from edge.limits import limits_path
from tests import tiny, tiny_tflite

pytest.importorskip("onnxruntime")


@pytest.fixture
def small_limits() -> None:
    limits_path().parent.mkdir(parents=True, exist_ok=True)
    limits_path().write_text("[isolation]\nseconds = 6\nmemory_mib = 2048\n")


def save(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], path: Path) -> None:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [given], [result], weights)
    sets = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=sets)
    made.ir_version = 8
    path.write_bytes(made.SerializeToString())


def whole(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def bomb(path: Path) -> None:
    """A size that no look at the file tells: it is computed from the input's shape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Mul", ["s", "factor"], ["big"]),
        helper.make_node("ConstantOfShape", ["big"], ["y"]),
    ]
    save(nodes, [whole("factor", 1 << 18, 1 << 18)], path)


def endless(path: Path) -> None:
    """A loop of 2^60 rounds."""
    inner = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1, 4]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 4]),
        ],
    )
    rounds = numpy_helper.from_array(np.array(1 << 60, np.int64), "rounds")
    yes = numpy_helper.from_array(np.array(True), "yes")
    save([helper.make_node("Loop", ["rounds", "yes", "x"], ["y"], body=inner)], [rounds, yes], path)


def test_a_model_that_takes_all_memory(
    small_limits: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb(tmp_path / "m.onnx")
    assert main(["models", "add", str(tmp_path / "m.onnx")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "wanted more memory than 2 GiB" in err


def test_a_model_that_never_ends(small_limits: None, tmp_path: Path) -> None:
    endless(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="did not end within 6 seconds"):
        try_model_isolated(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("data", "answer"),
    [(tiny.swapper(), "ran"), (tiny.embedder(), "ran"), (b"no model", "refused: ")],
)
def test_other_models_are_left_to_who_opens_them(data: bytes, answer: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    try_model_isolated(path)
    done, _ = ask(Request("model", {"path": str(path)}, reads=(str(tmp_path),)))
    assert done.startswith(answer)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done, _ = ask(Request("model", {"path": str(tmp_path / "m.pt")}))
    assert done == "no engine for it"


@pytest.mark.parametrize("name", ["m.tflite", "m.mnn", "m.ncnn", "model"])
def test_files_of_other_engines_are_run_too(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "m.ncnn":
        pytest.importorskip("ncnn")
        from tests.edge.backends.test_ncnn import _file

        path = _file(tmp_path)
    elif name == "m.mnn":
        pytest.importorskip("MNN")
        from quantize.export.mnn import to_mnn

        to_mnn(onnx.load_from_string(tiny.swapper(32)), path)
    else:
        pytest.importorskip("ai_edge_litert")
        path.write_bytes(tiny_tflite.swapper(32))
    done, _ = ask(Request("model", {"path": str(path)}, reads=(str(tmp_path),)))
    assert done == "ran"


def test_a_model_that_takes_its_engine_down(tmp_path: Path) -> None:
    """Ncnn computes sizes as it runs and believes them: this one reads far behind its memory."""
    pytest.importorskip("ncnn")
    from tests.edge.backends.test_ncnn import _file

    param = (
        "7767517\n3 3\nInput a 0 1 in0\nReshape r 1 1 in0 x 0=32 1=400000 2=4\nReLU s 1 1 x out0\n"
    )
    port = {"name": "x", "blob": "in0", "shape": [1, 3, 4, 5]}
    names = {"inputs": [port], "outputs": [{**port, "name": "y", "blob": "out0"}]}
    with pytest.raises(ModelError, match="the isolated process that tried it crashed"):
        try_model_isolated(_file(tmp_path, param, names))


def test_every_job_says_what_it_does_in_a_name() -> None:
    assert sorted(JOBS) == list(JOBS)
