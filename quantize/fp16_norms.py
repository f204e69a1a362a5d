"""BatchNormalization as a gain and a shift: its roots are taken here, not on the device."""

from __future__ import annotations

import numpy as np
import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes

__all__ = ["without_batch_norms"]

_EPSILON = 1e-5  # what ONNX says when the attribute is missing


def without_batch_norms(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write each BatchNormalization whose parameters are stored as a Mul and an Add.

    gain = scale / sqrt(variance + epsilon) and shift = bias - mean * gain are computed in float64.
    Nothing small is left that half precision could lose, and half the parameters.

    1. Left alone: in training mode, with more than one output, with parameters that are computed,
       or where it is not known how many axes there are.

    Args:
        model: stays as it is.

    Returns:
        The very model where there is none; otherwise another one.
    """
    if not any(node.op_type == "BatchNormalization" for node in model.graph.node):
        return model
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    graph = Graph(twin)
    for node in [node for node in graph.nodes if node.op_type == "BatchNormalization"]:
        shape = graph.shape(node.input[0])
        values = attributes(node)
        stored = [graph.constant(name) for name in node.input[1:5]]
        scale, bias, mean, variance = (
            None if value is None else value.astype(np.float64) for value in stored
        )
        if shape is None or len(node.output) != 1 or values.get("training_mode", 0):
            continue
        if scale is None or bias is None or mean is None or variance is None:
            continue
        gain = scale / np.sqrt(variance + values.get("epsilon", _EPSILON))
        shift = bias - mean * gain
        column = (-1, *[1] * (len(shape) - 2))
        names = [
            graph.store(value.reshape(column).astype(np.float32), f"{node.output[0]}_{what}")
            for value, what in ((gain, "gain"), (shift, "shift"))
        ]
        graph.remove(node)
        scaled = graph.add("Mul", [node.input[0], names[0]], hint=node.output[0])
        graph.add("Add", [scaled, names[1]], output=node.output[0], hint=node.output[0])
    return graph.finish()
