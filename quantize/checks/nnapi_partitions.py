"""Into how many pieces NNAPI would get a model: by our count, and by ONNX Runtime's own checker."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any

import onnx
from onnx import TensorProto, helper

from edge.errors import EngineMissing
from quantize.checks.view import View
from quantize.passes._infra.model import inputs_of

__all__ = ["partitions", "second_opinion"]

_ROI = "edge_swap_no_roi"


def partitions(view: View, broken: Collection[int]) -> list[list[onnx.NodeProto]]:
    """Return the pieces that a provider would get.

    ONNX Runtime's way (core/providers/partitioning_utils.cc, CreateSupportedPartitionNodeGroups):
    nodes are taken in an order in which they can run, as many supported ones as possible; one that
    is not, and reads what this piece makes, has to wait until the piece is closed.

    Args:
        view: the model.
        broken: `id` of each node that the provider does not take.
    """
    makers = {name: id(node) for node in view.nodes for name in node.output if name}
    waits = {
        id(node): {makers[name] for name in node.input if name in makers} for node in view.nodes
    }
    users: dict[int, list[onnx.NodeProto]] = {}
    for node in view.nodes:
        for maker in waits[id(node)]:
            users.setdefault(maker, []).append(node)
    left = {key: len(wait) for key, wait in waits.items()}
    ready = deque(node for node in view.nodes if not left[id(node)])
    later: deque[onnx.NodeProto] = deque()
    pieces: list[list[onnx.NodeProto]] = []
    piece: list[onnx.NodeProto] = []
    border: set[int] = set()
    while ready or later:
        if not ready:
            if piece:
                pieces.append(piece)
            piece, border, ready, later = [], set(), later, deque()
            continue
        node = ready.popleft()
        if id(node) in broken and id(node) in border:
            later.append(node)
            continue
        if id(node) not in broken:
            piece.append(node)
            border.update(id(user) for user in users.get(id(node), ()))
        for user in users.get(id(node), ()):
            left[id(user)] -= 1
            if not left[id(user)]:
                ready.append(user)
    return [*pieces, piece] if piece else pieces


def _bones(view: View) -> onnx.ModelProto:
    """Return the model as ONNX Runtime's checker wants it: with all shapes, without weights.

    The checker takes an input without a name for one of unknown shape, and then counts the node as
    not supported. ONNX means an absent one: it gets a name and an empty tensor here.
    """
    graph = view.graph
    bones = onnx.ModelProto()
    bones.ir_version = view.model.ir_version
    bones.opset_import.extend(view.model.opset_import)
    bones.graph.name = view.model.graph.name or "graph"
    computed = {name for node in view.nodes for name in node.output}
    for node in view.nodes:
        twin = bones.graph.node.add()
        twin.CopyFrom(node)
        for index, name in enumerate(twin.input):
            twin.input[index] = name or _ROI
    read = {name for node in bones.graph.node for name in node.input}
    fed = inputs_of(view.model)
    for name in sorted(read - computed - {value.name for value in fed}):
        kind = graph.element(name) or TensorProto.FLOAT
        stored = graph.static_shape(name) if name != _ROI else (0,)
        tensor = bones.graph.initializer.add()
        tensor.name, tensor.data_type = name, kind
        tensor.dims.extend(stored or ())
    bones.graph.input.extend(fed)
    bones.graph.output.extend(view.model.graph.output)
    for name in sorted(computed):
        shape = graph.shape(name)
        sizes = None if shape is None else [size if size is not None else "?" for size in shape]
        kind = graph.element(name) or TensorProto.FLOAT
        bones.graph.value_info.append(helper.make_tensor_value_info(name, kind, sizes))
    return bones


def _opinion(bones: onnx.ModelProto) -> Any:
    try:
        from onnxruntime.tools.mobile_helpers.usability_checker import check_nnapi_partitions
    except ImportError as error:
        raise EngineMissing(
            "checking for NNAPI needs ONNX Runtime with its tools, which is not installed: "
            "pip install 'edge-swap[cpu,quantize]'"
        ) from error
    return check_nnapi_partitions(bones, require_fixed_input_sizes=True)


def second_opinion(view: View) -> str:
    """Ask ONNX Runtime's own checker for mobile use (onnxruntime.tools).

    Returns:
        What it has against the model, or empty where it finds one piece with every node in it.

    Raises:
        EngineMissing: ONNX Runtime is not installed.
    """
    said = _opinion(_bones(view))
    if said.num_partitions == 1 and said.num_supported_nodes == said.num_nodes:
        return ""
    text = (
        f"ONNX Runtime's checker finds {said.num_partitions} pieces with "
        f"{said.num_supported_nodes} of {said.num_nodes} nodes"
    )
    names = sorted(name.removeprefix("ai.onnx:") for name in said.unsupported_ops)
    return f"{text}; not supported: {', '.join(names)}" if names else text
