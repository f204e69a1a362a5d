"""Bake: make a source identity a constant of the graph, and compute what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from quantize.errors import PostconditionError, PreconditionError
from quantize.passes._infra.folding import fold_constants, foldable
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import shape_of
from quantize.passes.base import Pass, PassResult


class Bake(Pass):
    """Feed inputs once and for all.

    1. Each given input becomes a constant and is no input any more.
    2. Everything that depends on constants alone is computed and stored: the layers that make
       styles of the embedding vanish, and modulated weights become plain weights.
    3. What is left of a style (a factor or a shift per channel) is constant now:
       `fuse_instance_norm` takes it into the norm, `fold_batchnorm` into the convolution.

    The result is a derivative of the person's embedding, and needs the same consent as it.

    Args:
        values: an array per input, of the shape and element type that the model states. For a
            model with an emap that is the latent, not the embedding.
    """

    name: ClassVar[str] = "bake"
    tolerance: ClassVar[float] = 1e-5

    def __init__(self, values: Mapping[str, NDArray[Any]]) -> None:
        self._values = {name: np.asarray(value) for name, value in values.items()}

    @property
    def constants(self) -> Mapping[str, NDArray[Any]]:
        """The values that were given."""
        return self._values

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Their shapes."""
        return {name: value.shape for name, value in self._values.items()}

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the inputs exist and the values fit."""
        inputs = {value.name: value for value in inputs_of(model)}
        if not self._values:
            raise PreconditionError("there is nothing to bake: give a value for an input")
        for name, value in self._values.items():
            if name not in inputs:
                raise PreconditionError(
                    f"the model has no input {name!r} (it has: {', '.join(inputs) or 'none'})"
                )
            declared = shape_of(inputs[name])
            kind = helper.tensor_dtype_to_np_dtype(inputs[name].type.tensor_type.elem_type)
            fits = declared is None or (
                len(declared) == value.ndim
                and all(a in (None, b) for a, b in zip(declared, value.shape, strict=True))
            )
            if not fits or value.dtype != kind:
                raise PreconditionError(
                    f"input {name!r} takes {kind} {declared}, not {value.dtype} {value.shape}"
                )
            if not np.all(np.isfinite(value)):
                raise PreconditionError(f"the value for input {name!r} is not finite")
        if len(inputs) == len(self._values):
            raise PreconditionError("a model without inputs computes nothing: leave one open")

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Store the values, and compute what follows."""
        graph = Graph(model)
        for name, value in self._values.items():
            graph.keep(name, value)
            graph.drop_input(name)
        fold_constants(graph)
        return PassResult(graph.finish(), True)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that the inputs are gone, and that nothing is left to compute."""
        left = {value.name for value in inputs_of(model)} & set(self._values)
        if left:
            raise PostconditionError(f"{min(left)!r} is still an input")
        graph = Graph(model)
        rest = [node for node in foldable(graph) if not set(node.output) & set(graph.outputs)]
        if rest:
            raise PostconditionError(f"{rest[0].op_type} depends on constants alone")
