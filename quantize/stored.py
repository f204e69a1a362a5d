"""A model's graph without its weights, and the weights by name: rewriting one copies no other."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import STANDARD_DOMAINS, inputs_of

__all__ = ["assemble", "constants_of", "is_constant", "without_constants"]

_FIRST_FREE_IR = 4  # from this version of the format on, constants need not be inputs


_NUMBERS = frozenset({"value", "value_float", "value_floats", "value_int", "value_ints"})


def is_constant(node: onnx.NodeProto) -> bool:
    """Return whether a node stores numbers and does nothing else."""
    standard = node.op_type == "Constant" and node.domain in STANDARD_DOMAINS
    return standard and node.attribute[0].name in _NUMBERS


def without_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model that holds no stored values: no initializers, no Constant nodes.

    Args:
        model: stays as it is; its weights are not copied.
    """
    bare = onnx.ModelProto()
    bare.ir_version = max(model.ir_version, _FIRST_FREE_IR)
    bare.opset_import.extend(model.opset_import)
    bare.metadata_props.extend(model.metadata_props)
    bare.producer_name, bare.producer_version = model.producer_name, model.producer_version
    bare.doc_string = model.doc_string
    bare.graph.name = model.graph.name or "graph"
    bare.graph.node.extend(node for node in model.graph.node if not is_constant(node))
    bare.graph.input.extend(inputs_of(model))
    bare.graph.output.extend(model.graph.output)
    return bare


def constants_of(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Return every stored value by its name; those of initializers are the model's own objects.

    Args:
        model: stays as it is. What its Constant nodes hold is among the values.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = [node for node in model.graph.node if is_constant(node)]
    if not makers:
        return tensors
    graph = Graph(model)
    for node in makers:
        name = node.output[0]
        value = graph.constant(name)
        if value is not None:
            tensors[name] = onnx.numpy_helper.from_array(value, name)
    return tensors


def assemble(bare: onnx.ModelProto, tensors: Iterable[onnx.TensorProto]) -> onnx.ModelProto:
    """Put stored values into a model that holds none.

    Args:
        bare: edited in place.
        tensors: the values, used or not; they are copied one after the other.

    Returns:
        `bare`.
    """
    for tensor in tensors:
        bare.graph.initializer.add().CopyFrom(tensor)
    return bare
