"""Half precision as storage: half the size, computed in float32 on every processor.

A Cortex-A72 (Raspberry Pi 4) has no half-precision arithmetic, and engines turn what they read
into float32; a Cortex-A76 (Pi 5) has, and ONNX Runtime then computes in it: 24 dB were lost there
on a model that lost nothing elsewhere. NNAPI takes float32 values alone. So for such targets only
the weights become halves, each behind a Cast that engines compute once, when they load the model.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.fp16_values import weight_trouble
from quantize.modelfile import name_nodes
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.shapes import check_model, tensor_bytes
from quantize.stored import assemble, constants_of, without_constants

__all__ = ["to_stored_half"]

_LEAST = 1024  # bytes; below it the Cast that comes in takes about as much as is won


def to_stored_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the large float32 weights of a model in half precision.

    1. A weight of 1 KB or more becomes float16, and a Cast makes the float32 weight of it.
    2. Weights that half precision cannot hold (they overflow, become 0 or lose digits) and those
       that are an output stay float32.

    Args:
        model: a float32 model without subgraphs; it stays as it is.

    Returns:
        Another model, which computes in float32.

    Raises:
        GraphError: the model is broken, or holds a subgraph.
    """
    graph = Graph(model)
    bare, tensors = without_constants(model), constants_of(model)
    casts = []
    for name, tensor in list(tensors.items()):
        small = tensor.data_type != TensorProto.FLOAT or tensor_bytes(tensor) < _LEAST
        if small or name in graph.outputs or not graph.users(name):
            continue
        value = numpy_helper.to_array(tensor)
        if weight_trouble(value):
            continue
        del tensors[name]
        half = graph.new_name(f"{name}_half")
        tensors[half] = numpy_helper.from_array(value.astype(np.float16), half)
        # It makes the weight under its own name, so that no reader has to change.
        casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *bare.graph.node]
    twin = without_constants(model)
    del twin.graph.node[:]
    twin.graph.node.extend(nodes)
    name_nodes(twin)
    result = assemble(twin, tensors.values())
    check_model(result)
    return result
