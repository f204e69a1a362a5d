"""Newer standard operators for an older model."""

from __future__ import annotations

import onnx

from quantize.errors import GraphError
from quantize.modelfile import name_nodes
from quantize.passes._infra.model import opset_of
from quantize.passes._infra.shapes import skeleton, tensor_bytes

__all__ = ["with_opset"]

_OLDEST_IR = 7  # of the file format that knows opset 13


def with_opset(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Return a model that uses at least a version of the standard operators.

    Args:
        model: stays as it is.
        version: of the operators.

    Returns:
        The very model when it is new enough; otherwise another one that computes the same.

    Raises:
        GraphError: ONNX cannot convert one of its operators.
    """
    if opset_of(model) >= version:
        return model
    # The converter serialises what it is given, so it is given no weights.
    bones = skeleton(model)
    try:
        raised = onnx.version_converter.convert_version(bones, version)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        text = " ".join(str(error).split())[:200]
        raise GraphError(
            f"opset {opset_of(model)} cannot be raised to {version}: export the model again "
            f"with opset {version} or newer ({text})"
        ) from error
    raised.ir_version = max(raised.ir_version, model.ir_version, _OLDEST_IR)
    held = {tensor.name for tensor in bones.graph.initializer}
    stand_ins = {value.name for value in bones.graph.input} - {v.name for v in model.graph.input}
    for index in range(len(raised.graph.input) - 1, -1, -1):
        if raised.graph.input[index].name in stand_ins:
            del raised.graph.input[index]
    for tensor in model.graph.initializer:
        if tensor.name not in held and tensor_bytes(tensor):
            raised.graph.initializer.add().CopyFrom(tensor)
    raised.metadata_props.extend(model.metadata_props)
    del raised.graph.value_info[:]
    name_nodes(raised)  # the converter adds constants without names
    return raised
