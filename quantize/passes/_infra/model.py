"""What a model says of itself: opset, inputs, attributes, the order of its nodes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import Any

import onnx
from onnx import helper

from quantize.errors import GraphError

OLDEST_OPSET = 11  # before it, Pad, Resize and Clip have no tensor inputs
NEWEST_OPSET = 22  # the newest that the oldest supported ONNX Runtime reads
STANDARD_DOMAINS = ("", "ai.onnx")


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses.

    Raises:
        GraphError: it is one that the toolchain does not know, or it is not said.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    if not versions:
        raise GraphError("the model does not say which opset it uses: export it again")
    if not OLDEST_OPSET <= versions[0] <= NEWEST_OPSET:
        raise GraphError(
            f"opset {versions[0]} is not supported: export the model with opset "
            f"{OLDEST_OPSET} to {NEWEST_OPSET}"
        )
    return int(versions[0])


def refuse_absent_weights(model: onnx.ModelProto) -> None:
    """Check that the weights are in the model, not only a note of the file that holds them.

    Raises:
        GraphError: some are in a file that has not been loaded.
    """
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise GraphError(
                f"weight {tensor.name!r} lies in a file beside the model that was not loaded"
            )


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes as Python values (bytes for strings)."""
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return what a model must be fed: its inputs without the constants that old files list."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def refuse_nesting(model: onnx.ModelProto) -> None:
    """Check that all nodes are in the main graph.

    Raises:
        GraphError: there are subgraphs or functions, which no pass looks into.
    """
    if model.functions:
        raise GraphError(
            f"the model defines its own function {model.functions[0].name!r}: inline it first"
        )
    for node in model.graph.node:
        for entry in node.attribute:
            if entry.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
                raise GraphError(
                    f"node {node.name or node.output[0]!r} ({node.op_type}) holds a subgraph: "
                    "export the model without If, Loop and Scan"
                )


def in_running_order(nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Sort nodes so that each comes after those it reads from, otherwise as they were."""
    rows = list(nodes)
    makers = {name: index for index, node in enumerate(rows) for name in node.output if name}
    waits = [{makers[name] for name in node.input if name in makers} for node in rows]
    users: dict[int, list[int]] = {}
    for index, wait in enumerate(waits):
        for other in wait:
            users.setdefault(other, []).append(index)
    ready = [index for index, wait in enumerate(waits) if not wait]
    missing = [len(wait) for wait in waits]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for user in users.get(index, ()):
            missing[user] -= 1
            if missing[user] == 0:
                heapq.heappush(ready, user)
    if len(order) != len(rows):
        raise GraphError("the graph has a cycle")
    return [rows[index] for index in order]


def count_operators(model: onnx.ModelProto) -> dict[str, int]:
    """Return how often each operator occurs in the main graph, the most frequent first."""
    return dict(Counter(node.op_type for node in model.graph.node).most_common())
