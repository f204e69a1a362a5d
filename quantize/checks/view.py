"""A model as the rules of a target see it: what is stored, what is 8-bit, which shapes are known.

Engines compute whatever depends on stored values alone when they load a model, before they share
its nodes out. So a weight behind a Cast counts as stored, here as there. What DequantizeLinear
makes of a stored weight does not: engines keep it apart, for their 8-bit kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import STANDARD_DOMAINS, attributes, in_running_order

__all__ = ["DQ", "FLOATS", "Q", "View", "label"]

Q, DQ = "QuantizeLinear", "DequantizeLinear"
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def label(node: onnx.NodeProto) -> str:
    """Return what a node is called in a finding."""
    return str(node.name or (node.output[0] if node.output else node.op_type))


class View:
    """A model to be checked; nothing of it is changed.

    Attributes:
        model: the model.
        graph: its main graph, with lookups.
        nodes: what is computed in every run, in an order in which it can run.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        """Look at a model.

        Args:
            model: without subgraphs; it is not edited.

        Raises:
            GraphError: it holds a subgraph, its types contradict each other, or its opset is none
                that the toolchain knows.
        """
        self.model = model
        self.graph = Graph(model)
        self.graph.shape(self.graph.outputs[0])  # the types are looked at now, not on the way
        self._fixed = {tensor.name for tensor in model.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        for node in in_running_order(self.graph.nodes):
            if self._is_computed_at_load(node):
                self._fixed.update(node.output)
            else:
                self.nodes.append(node)

    def _is_computed_at_load(self, node: onnx.NodeProto) -> bool:
        if node.op_type in (Q, DQ) or any(name in self.graph.outputs for name in node.output):
            return False
        return all(name in self._fixed for name in node.input if name)

    def is_fixed(self, name: str) -> bool:
        """Return whether a value is known before the model runs; an absent one is."""
        return not name or name in self._fixed

    def computed(self, node: onnx.NodeProto) -> list[str]:
        """Return the inputs of a node that are computed or fed."""
        return [name for name in node.input if not self.is_fixed(name)]

    def value(self, name: str) -> NDArray[Any] | None:
        """Return a stored value, also behind a Cast; None when it is computed some other way."""
        found = self.graph.constant(name) if name else None
        if found is not None or not name:
            return found
        maker = self.graph.maker(name, "Cast", "Identity")
        return None if maker is None else self.value(maker.input[0])

    def attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        """Return a node's attributes as Python values; texts as str."""
        return {
            name: value.decode(errors="replace") if isinstance(value, bytes) else value
            for name, value in attributes(node).items()
        }

    def is_standard(self, node: onnx.NodeProto) -> bool:
        """Return whether an operator is one of the standard ones."""
        return node.domain in STANDARD_DOMAINS

    def rank(self, name: str) -> int | None:
        """Return how many axes a value has; None when that is not known."""
        shape = self.graph.shape(name)
        return None if shape is None else len(shape)

    def is_static(self, name: str) -> bool:
        """Return whether every size of a value is known."""
        return self.is_fixed(name) or self.graph.static_shape(name) is not None

    # 8-bit parts

    def dequantizer(self, name: str) -> onnx.NodeProto | None:
        """Return the DequantizeLinear that makes a value."""
        return self.graph.maker(name, DQ) if name else None

    def weight_source(self, name: str) -> onnx.NodeProto | None:
        """Return the DequantizeLinear that makes a value of stored integers."""
        node = self.dequantizer(name)
        return node if node is not None and self.is_fixed(node.input[0]) else None

    def quantizers(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the QuantizeLinear that read a node, where nothing else does."""
        users = [user for name in node.output for user in self.graph.users(name)]
        if any(name in self.graph.outputs for name in node.output):
            return []
        return users if users and all(user.op_type == Q for user in users) else []

    def rounded_inputs(self, node: onnx.NodeProto) -> list[str]:
        """Return the inputs of a node that are computed and come in 8 bits."""
        return [name for name in self.computed(node) if self._comes_rounded(name)]

    def _comes_rounded(self, name: str) -> bool:
        return self.dequantizer(name) is not None and self.weight_source(name) is None

    def is_unit(self, node: onnx.NodeProto) -> bool:
        """Return whether all that a node computes with comes in 8 bits, and its result leaves so.

        Engines take such a node with the Q and DQ around it for one 8-bit operation.
        """
        if node.op_type in (Q, DQ) or not self.quantizers(node):
            return False
        # Sizes and axes are stored; stored values must come in 8 bits, as weights do.
        inputs = [name for name in node.input if name and self._carries_values(node, name)]
        return bool(inputs) and all(self.dequantizer(name) is not None for name in inputs)

    def _carries_values(self, node: onnx.NodeProto, name: str) -> bool:
        if not self.is_fixed(name):
            return True
        bias = node.op_type in ("Conv", "ConvTranspose", "Gemm") and name not in node.input[:2]
        parameters = ("Resize", "Pad", "Clip", "Upsample")
        return not bias and node.op_type not in parameters and self.graph.element(name) in FLOATS

    def zero_point(self, node: onnx.NodeProto) -> NDArray[Any] | None:
        """Return the zero point of Q or DQ; None when there is none."""
        name = node.input[2] if len(node.input) > 2 else ""
        return self.value(name) if name else None

    def integers(self, node: onnx.NodeProto) -> int:
        """Return the type of the integers that Q makes or DQ reads (TensorProto.INT8, ...)."""
        if node.op_type == DQ:
            return self.graph.element(node.input[0])
        name = node.input[2] if len(node.input) > 2 else ""
        if name:
            return self.graph.element(name)
        stated = int(self.attributes(node).get("output_dtype", 0))
        return stated or int(TensorProto.UINT8)

    def scale_trouble(self, node: onnx.NodeProto) -> str:
        """Return what is wrong with the scale of Q or DQ; empty when nothing is."""
        name = node.input[1]
        scale = self.value(name)
        if not self.is_fixed(name) or scale is None:
            return "its scale is computed"
        if not np.all(np.isfinite(scale)) or not np.all(scale > 0):
            return "its scale is not above 0"
        return ""

    def pairs(self) -> Iterator[onnx.NodeProto]:
        """Yield every Q and DQ."""
        return (node for node in self.nodes if node.op_type in (Q, DQ))
