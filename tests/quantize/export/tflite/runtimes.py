"""Run .tflite files in every runtime that is installed, and hold them against ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge.backends import open_session
from quantize.errors import GraphError
from quantize.export.tflite import to_tflite
from quantize.passes import InputSpec, draw_feeds
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.model import inputs_of

Arrays = dict[str, NDArray[Any]]

BACKENDS = [
    name
    for name, module in (("litert", "ai_edge_litert"), ("tflite", "tflite_runtime"))
    if find_spec(module) is not None
]


def needs_schema() -> None:
    """Skip the tests of a module where nothing can be written."""
    if find_spec("ai_edge_litert") is None:
        pytest.skip("ai_edge_litert is not installed", allow_module_level=True)


def needs_onnx_runtime_for(model: onnx.ModelProto) -> None:
    """Skip a test where this ONNX Runtime is too old for a model that ONNX allows."""
    try:
        run_model(model, [draw(model)])
    except GraphError as error:
        pytest.skip(str(error))


def model_of(data: bytes) -> Any:
    """Return a file as objects of the schema."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(data, 0)


def operators(data: bytes) -> Counter[str]:
    """Return how often each operator occurs in a file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    model = model_of(data)
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)


def run_without_delegate(data: bytes, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
    """Run a file with LiteRT's own kernels; arrays are laid out as ONNX has them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=data, num_threads=1, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner("serving_default")
    wanted = {name: tuple(d["shape"]) for name, d in runner.get_input_details().items()}
    turned = {
        name: value if value.shape == wanted[name] else value.transpose(0, 2, 3, 1)
        for name, value in feeds.items()
    }
    return {name: np.array(value) for name, value in runner(**turned).items()}


def _ambiguous(shape: tuple[int, ...]) -> bool:
    """Return whether `edge` takes an input for a picture with its channels last that is none."""
    return len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)


def run_everywhere(data: bytes, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Arrays]:
    """Run a file in all runtimes; the backends of `edge` give and take what ONNX does."""
    results = {"without delegate": run_without_delegate(data, feeds)}
    if any(_ambiguous(array.shape) for array in feeds.values()):
        return results
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        for backend in BACKENDS:
            session = open_session(path, backend=backend, threads=1)
            given = {name: feeds[name] for name in session.inputs}
            results[backend] = dict(zip(session.outputs, session.run(given), strict=True))
    return results


def _laid_out(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an output as ONNX lays it out; a reader of files can only guess from the shape."""
    if array.shape == shape:
        return array
    for turn in ((0, 3, 1, 2), (0, 2, 3, 1)):
        if array.transpose(turn).shape == shape:
            return array.transpose(turn)
    raise AssertionError(f"{array.shape} is not {shape}")


def worst(results: Mapping[str, Arrays], expected: Arrays) -> float:
    """Return the largest difference of any runtime from what was expected."""
    largest = 0.0
    for arrays in results.values():
        assert set(arrays) == set(expected)
        for name, wanted in expected.items():
            made = _laid_out(arrays[name], wanted.shape)
            largest = max(largest, float(np.abs(made - wanted).max(initial=0)))
    return largest


def draw(model: onnx.ModelProto, low: float = -1.0, seed: int = 0) -> Arrays:
    """Return inputs in [low, 1]."""
    spec = InputSpec("uniform", low, 1.0)
    specs = {value.name: spec for value in inputs_of(model)}
    return draw_feeds(model, specs, count=1, seed=seed)[0]


def written(
    model: onnx.ModelProto, *, tolerance: float = 1e-5, low: float = -1.0, **options: Any
) -> Counter[str]:
    """Write a model, check that all runtimes compute what ONNX Runtime does; return operators."""
    before = model.SerializeToString(deterministic=True)
    data = to_tflite(model, **options)
    assert model.SerializeToString(deterministic=True) == before
    feeds = draw(model, low)
    (expected,) = run_model(model, [feeds])
    assert worst(run_everywhere(data, feeds), expected) <= tolerance
    return operators(data)
