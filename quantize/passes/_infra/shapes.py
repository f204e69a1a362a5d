"""Shapes and checks of a model of any size, without touching its weights.

ONNX's checker and shape inference serialise the whole model, which costs twice its memory and
fails beyond 2 GB. Neither looks into weights, so they are given a skeleton in which every large
weight is an input of the same type and shape.
"""

from __future__ import annotations

import math

import onnx
from onnx import helper

from quantize.errors import GraphError

Shape = tuple["int | None", ...]
"""A size per axis; None where it is not known before the model runs."""

LARGE = 1 << 16  # bytes; what shape inference reads (sizes, axes, pads) is far smaller


def tensor_bytes(tensor: onnx.TensorProto) -> int:
    """Return the size of a stored tensor's values in bytes, from its type and shape alone."""
    item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(item) * math.prod(int(size) for size in tensor.dims)


def model_bytes(model: onnx.ModelProto) -> int:
    """Return about how large a model is in bytes, without serialising it."""
    stored = sum(tensor_bytes(tensor) for tensor in model.graph.initializer)
    return stored + sum(int(node.ByteSize()) for node in model.graph.node)


def skeleton(model: onnx.ModelProto, large: int = LARGE) -> onnx.ModelProto:
    """Return a copy in which weights of more than `large` bytes are inputs.

    Args:
        model: any model with an inline main graph.
        large: bytes; smaller tensors are kept with their values.

    Returns:
        A small model. It shares nothing with the given one, and has no value_info.
    """
    graph = model.graph
    small = [tensor for tensor in graph.initializer if tensor_bytes(tensor) <= large]
    weights = [tensor for tensor in graph.initializer if tensor_bytes(tensor) > large]
    named = {value.name for value in graph.input}
    stand_ins = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in weights
        if tensor.name not in named
    ]
    bones = onnx.ModelProto()
    bones.ir_version = max(model.ir_version, 4)  # from 4 on, constants need not be inputs
    bones.opset_import.extend(model.opset_import)
    bones.functions.extend(model.functions)
    bones.graph.name = graph.name or "graph"
    bones.graph.node.extend(graph.node)
    bones.graph.input.extend(graph.input)
    bones.graph.input.extend(stand_ins)
    bones.graph.output.extend(graph.output)
    bones.graph.initializer.extend(small)
    return bones


def check_model(model: onnx.ModelProto) -> None:
    """Check a model's structure and types.

    Raises:
        GraphError: ONNX's checker refuses it, or the types do not fit each other.
    """
    try:
        onnx.checker.check_model(skeleton(model), full_check=True)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        *(ValueError, TypeError, RuntimeError),  # of numbers that stand for no type
    ) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise GraphError(f"not a valid ONNX model: {' '.join(lines)[:300]}") from error


def shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """Return the declared shape of a value; None when not even its rank is known."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    # A size below 1 is how some exporters write "dynamic".
    return tuple(
        axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
        for axis in kind.shape.dim
    )


def infer_types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Return type and shape of every value of the main graph that can be known beforehand.

    Raises:
        GraphError: the types of the model contradict each other.
    """
    try:
        bones = onnx.shape_inference.infer_shapes(skeleton(model), data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise GraphError(f"shapes contradict each other: {str(error)[:300]}") from error
    values = [*bones.graph.input, *bones.graph.value_info, *bones.graph.output]
    types = {value.name: value for value in values}
    for tensor in model.graph.initializer:
        types[tensor.name] = helper.make_tensor_value_info(
            tensor.name, tensor.data_type, list(tensor.dims)
        )
    return types
