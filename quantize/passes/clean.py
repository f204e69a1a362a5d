"""Clean: fold constants, shorten shape arithmetic, and drop what leads nowhere."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import onnx
import onnxslim

from quantize.errors import PassError, PostconditionError, PreconditionError
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import in_running_order, opset_of
from quantize.passes._infra.shapes import skeleton, tensor_bytes
from quantize.passes.base import Pass, PassResult
from quantize.passes.lift_emap import emap_candidates

# onnxslim copies a model several times over. What is larger is shown to it as an input.
_LARGE = 1 << 20  # bytes
_IDLE = frozenset({"Constant", "Identity"})


def _signature(model: onnx.ModelProto) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return what a graph consists of, whatever the order and the names of its nodes."""
    nodes = set()
    for node in model.graph.node:
        bare = onnx.NodeProto()
        bare.CopyFrom(node)
        bare.name, bare.doc_string = "", ""
        entries = sorted(bare.attribute, key=lambda entry: str(entry.name))
        del bare.attribute[:]
        bare.attribute.extend(entries)
        nodes.add(hashlib.sha256(bare.SerializeToString(deterministic=True)).digest())
    stored = {
        hashlib.sha256(tensor.SerializeToString(deterministic=True)).digest()
        for tensor in model.graph.initializer
    }
    return frozenset(nodes), frozenset(stored)


def _dead_ends(model: onnx.ModelProto) -> list[str]:
    """Return the names of nodes and constants that no output depends on."""
    read = {name for node in model.graph.node for name in node.input}
    read |= {value.name for value in model.graph.output}
    dead = [node.output[0] for node in model.graph.node if not read & set(node.output)]
    return dead + [tensor.name for tensor in model.graph.initializer if tensor.name not in read]


class Clean(Pass):
    """Tidy the graph with onnxslim. Inputs and outputs keep their names.

    1. Values that depend on constants alone are stored; `Constant` nodes become initializers.
    2. Nodes that do nothing (Identity, Dropout, empty Pad, ...) go; the same computed twice is
       computed once.
    3. A BatchNormalization, Pad, Add or Mul that a convolution can do is folded into it.
    4. Nodes and initializers that no output depends on go. An emap is such a one: it must have
       been lifted before, lest it be lost.
    5. Weights beyond 1 MB are not looked into, so that memory stays small: what cases 1 and 3
       could do with them is left to the passes for it.
    """

    name: ClassVar[str] = "clean"
    tolerance: ClassVar[float] = 1e-5

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that no emap would be lost."""
        found = emap_candidates(model)
        if found:
            raise PreconditionError(
                f"initializer {found[0]!r} looks like an emap and would be dropped: "
                "run lift_emap first"
            )

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Tidy the graph; large weights are not moved."""
        opset_of(model)
        bones = skeleton(model, _LARGE)
        before = skeleton(model, _LARGE)
        try:  # it raises whatever its parts raise
            slim = onnxslim.slim(bones)
        except Exception as error:
            raise PassError(f"onnxslim cannot read the model: {str(error)[:200]}") from error
        _drop_dead_ends(slim)
        if _signature(slim) == _signature(before) and not _dead_ends(model):
            return PassResult(model, False)
        _take_over(model, slim)
        return PassResult(model, True)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that nothing leads nowhere."""
        dead = _dead_ends(model)
        if dead:
            raise PostconditionError(f"nothing depends on {dead[0]!r}")
        graph = Graph(model)
        idle = [node for node in graph.nodes if node.op_type in _IDLE and not node.domain]
        if not all(_needed(graph, node) for node in idle):
            raise PostconditionError("there are Constant or Identity nodes left")


def _needed(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a Constant or Identity has to stay.

    1. An output is a constant, or an input or a constant under another name.
    2. One value has two names, of which one is an output's.
    """
    if node.op_type == "Constant":
        return node.output[0] in graph.outputs
    source = node.input[0]
    if source in graph.inputs or graph.is_constant(source):
        return True
    return graph.maker(source) is not None and node.output[0] in graph.outputs


def _drop_dead_ends(model: onnx.ModelProto) -> None:
    while dead := set(_dead_ends(model)):
        for rows in (model.graph.node, model.graph.initializer):
            for index in range(len(rows) - 1, -1, -1):
                row = rows[index]
                label = row.output[0] if isinstance(row, onnx.NodeProto) else row.name
                if label in dead:
                    del rows[index]


def _take_over(model: onnx.ModelProto, slim: onnx.ModelProto) -> None:
    """Give the model the nodes and small constants of `slim`; its large weights stay in place."""
    proto = model.graph
    read = {name for node in slim.graph.node for name in node.input}
    read |= {value.name for value in proto.output}
    made = {tensor.name for tensor in slim.graph.initializer}
    gone = set()
    for index in range(len(proto.initializer) - 1, -1, -1):
        tensor = proto.initializer[index]
        if tensor_bytes(tensor) <= _LARGE or tensor.name not in read or tensor.name in made:
            gone.add(tensor.name)
            del proto.initializer[index]
    for index in range(len(proto.input) - 1, -1, -1):
        if proto.input[index].name in gone:  # old files list their constants as inputs
            del proto.input[index]
    proto.initializer.extend(slim.graph.initializer)
    nodes = in_running_order(slim.graph.node)
    del proto.node[:]
    proto.node.extend(nodes)
    del proto.value_info[:]
