"""Run a model as it is written: ONNX Runtime with its own rewriting switched off."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.errors import EngineMissing
from quantize.errors import GraphError
from quantize.passes._infra.shapes import model_bytes

# Protocol buffers end at 2 GB; well before, a copy in memory costs more than a file.
LARGEST_IN_MEMORY = 1_500_000_000  # bytes


def _save_with_weights_beside(model: onnx.ModelProto, path: Path) -> None:
    """Write a model and its weights, and leave the model as it was."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)  # saving moves the weights out of the model that it is given
    onnx.save(twin, str(path), save_as_external_data=True, location=f"{path.stem}.weights")


@contextmanager
def _session(model: onnx.ModelProto, threads: int) -> Iterator[Any]:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise EngineMissing(
            "the toolchain runs models in ONNX Runtime, which is not installed: "
            "pip install 'edge-swap[cpu,quantize]'"
        ) from error

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
        try:
            if model_bytes(model) > LARGEST_IN_MEMORY:
                path = Path(folder) / "model.onnx"
                _save_with_weights_beside(model, path)
                yield ort.InferenceSession(str(path), options, providers=providers)
            else:
                data = model.SerializeToString()
                session = ort.InferenceSession(data, options, providers=providers)
                del data
                yield session
        except Exception as error:
            # The engine's exceptions share no base class but this one.
            if type(error).__module__.startswith("onnxruntime"):
                text = " ".join(str(error).split())
                raise GraphError(f"ONNX Runtime cannot run the model: {text[:300]}") from error
            raise


def run_model(
    model: onnx.ModelProto, feeds: Iterable[Mapping[str, NDArray[Any]]], *, threads: int = 1
) -> list[dict[str, NDArray[Any]]]:
    """Run a model on several sets of inputs.

    Args:
        model: any model; more than 1.5 GB goes through a temporary file.
        feeds: arrays by the name of the input; names that the model does not have are left out.
        threads: how many the engine uses.

    Returns:
        Per set of inputs an array for each output.

    Raises:
        GraphError: ONNX Runtime cannot load or run the model.
    """
    with _session(model, threads) as session:
        wanted = [value.name for value in session.get_inputs()]
        names = [value.name for value in session.get_outputs()]
        results = []
        for given in feeds:
            missing = sorted(set(wanted) - set(given))
            if missing:
                raise GraphError(f"nothing was given for input {missing[0]!r}")
            outputs = session.run(names, {name: given[name] for name in wanted})
            results.append(dict(zip(names, map(np.asarray, outputs), strict=True)))
    return results
