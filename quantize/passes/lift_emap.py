"""Lift the emap: save the matrix that inswapper hides among its weights, and take it out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import numpy_helper

from quantize.errors import PostconditionError, PreconditionError, QuantizeError
from quantize.passes.base import Pass, PassResult

_SIDE = 512
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


def emap_candidates(model: onnx.ModelProto) -> list[str]:
    """Return the names of stored 512 x 512 matrices that nothing in the graph reads.

    The place in the list of initializers says nothing: every tool that rewrites a model sorts it
    anew. A matrix that is constant, not finite or not of full rank maps no embedding.
    """
    read = {name for node in model.graph.node for name in node.input}
    read |= {value.name for value in model.graph.output}
    found = []
    for tensor in model.graph.initializer:
        if list(tensor.dims) != [_SIDE, _SIDE] or tensor.name in read:
            continue
        if tensor.data_type not in _FLOATS:
            continue
        matrix = numpy_helper.to_array(tensor).astype(np.float64)
        if np.all(np.isfinite(matrix)) and np.linalg.matrix_rank(matrix) == _SIDE:
            found.append(tensor.name)
    return found


class LiftEmap(Pass):
    """Save the emap to a side file and take it out of the model.

    1. One stored 512 x 512 matrix of full rank that nothing reads: it is written as float32 .npy,
       and removed from the initializers (and from the inputs of files that list constants there).
    2. None: nothing is written.
    3. Several: nobody can say which it is, and the pass refuses.

    Args:
        path: the side file, .npy; float32 (512, 512). A latent is `embedding @ emap`.
    """

    name: ClassVar[str] = "lift_emap"
    tolerance: ClassVar[float] = 0.0

    def __init__(self, path: Path) -> None:
        self.path = path

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that there is at most one emap."""
        found = emap_candidates(model)
        if len(found) > 1:
            raise PreconditionError(
                f"initializers {', '.join(found)} could each be the emap: remove all but one"
            )

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Write the side file, then drop the matrix."""
        found = emap_candidates(model)
        if not found:
            return PassResult(model, False)
        name = found[0]
        for index, tensor in enumerate(model.graph.initializer):
            if tensor.name == name:
                _write(self.path, numpy_helper.to_array(tensor).astype(np.float32))
                del model.graph.initializer[index]
                break
        for index, value in enumerate(model.graph.input):
            if value.name == name:
                del model.graph.input[index]
                break
        return PassResult(model, True)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that none is left."""
        if emap_candidates(model):
            raise PostconditionError("there is an emap left")


def _write(path: Path, matrix: np.ndarray) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.save(file, matrix)
        part.replace(path)
    except OSError as error:
        raise QuantizeError(f"cannot write the emap to {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
