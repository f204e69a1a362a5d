"""Static shapes: fix the sizes that a model leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import onnx

from quantize.errors import PostconditionError, PreconditionError
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import infer_types, shape_of
from quantize.passes.base import Pass, PassResult


def _set_shape(value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    axes = value.type.tensor_type.shape.dim
    del axes[:]
    for size in shape:
        axes.add().dim_value = size


class StaticShapes(Pass):
    """Fix open sizes of inputs, and state the sizes of outputs that follow from them.

    1. An input with open sizes gets those that are given for it.
    2. An input of which none are given, and which leaves nothing but its first axis open, gets 1
       there: a device swaps one crop at a time.
    3. Outputs get the sizes that shape inference finds. It does not reach through the shape
       arithmetic of a raw export: run the pass again after `clean` and `debris`.

    Args:
        sizes: a shape per input.
    """

    name: ClassVar[str] = "static_shapes"
    tolerance: ClassVar[float] = 0.0

    def __init__(self, sizes: Mapping[str, tuple[int, ...]] | None = None) -> None:
        self._sizes = dict(sizes or {})

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes that were given."""
        return self._sizes

    def _wanted(self, value: onnx.ValueInfoProto) -> tuple[int, ...]:
        declared, given = shape_of(value), self._sizes.get(value.name)
        if given is not None:
            fits = declared is None or (
                len(declared) == len(given)
                and all(a in (None, b) for a, b in zip(declared, given, strict=True))
            )
            if not fits or min(given, default=1) < 1:
                raise PreconditionError(
                    f"input {value.name!r} has the shape {declared}, which {given} does not fit"
                )
            return given
        if declared is None or any(size is None for size in declared[1:]):
            raise PreconditionError(
                f"input {value.name!r} has open sizes: state its shape, for one in the card"
            )
        return tuple(size or 1 for size in declared)

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that every open size is given, and that those given fit."""
        unknown = sorted(set(self._sizes) - {value.name for value in inputs_of(model)})
        if unknown:
            raise PreconditionError(f"the model has no input {unknown[0]!r}")
        for value in inputs_of(model):
            self._wanted(value)

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Write the sizes down."""
        changed = False
        for value in inputs_of(model):
            wanted = self._wanted(value)
            if shape_of(value) != wanted:
                _set_shape(value, wanted)
                changed = True
        if changed:
            del model.graph.value_info[:]
            for output in model.graph.output:  # their old sizes may be names that mean nothing now
                known = tuple(size or 0 for size in shape_of(output) or ())
                if 0 in known:
                    output.type.tensor_type.ClearField("shape")
        types = infer_types(model)
        for output in model.graph.output:
            found = shape_of(types[output.name])
            known = tuple(size for size in found or () if size is not None)
            if found is not None and len(known) == len(found) and shape_of(output) != known:
                _set_shape(output, known)
                changed = True
        return PassResult(model, changed)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that no input's size is open."""
        for value in inputs_of(model):
            shape = shape_of(value)
            if shape is None or None in shape:
                raise PostconditionError(f"{value.name!r} still has open sizes: {shape}")
