"""What an .ort file asks for, held against this device's limits before an engine opens it.

Slots are those of ONNX Runtime's schema (`ort.fbs`, format version 6). The engine verifies the
flatbuffer's structure itself; what it asks for, it believes.
"""

from __future__ import annotations

from pathlib import Path

from edge.backends._flatbuffer import Table
from edge.backends._model_limits import Counts, check_flatbuffer
from edge.backends._onnx_file import Broken
from edge.backends._onnx_limits import BYTES, KNOWN_DOMAINS, MOST_RANK, Refused, quoted

IDENTIFIER = b"ORTM"

_MODEL = 1  # of a session
_GRAPH = 7  # of a model
_INITIALIZERS, _VALUES, _NODES, _SPARSE, _OPTIMIZATIONS = 0, 1, 2, 7, 8  # of a graph
_T_NAME, _T_DIMS, _T_TYPE, _T_RAW, _T_STRINGS, _T_OUTSIDE = 0, 2, 3, 4, 5, 6
_N_NAME, _N_DOMAIN, _N_OPERATOR, _N_ATTRIBUTES = 0, 2, 5, 10
_A_TENSOR, _A_GRAPH, _A_TENSORS, _A_GRAPHS = 6, 7, 11, 12
_STRING, _TENSOR_TYPE = 8, 1
_MOST_DEPTH = 16  # nested subgraphs; those of real models stay below five


def check_ort_file(path: Path) -> None:
    """Check that a file is a whole .ort model that asks for no more than it may.

    Args:
        path: The file.

    Raises:
        ModelError: Not readable, damaged, over one of this device's limits, with weights in another
            file, or with operators that no engine has built in.
        PolicyError: The device's limits cannot be read.
    """
    check_flatbuffer(path, "an .ort", _session, letters=IDENTIFIER)


def _session(session: Table, counts: Counts, length: int) -> None:
    model = session.table(_MODEL)
    graph = model.table(_GRAPH) if model is not None else None
    if graph is None:
        raise Refused("it holds no graph")
    _graph(graph, counts, 0)


def _graph(graph: Table, counts: Counts, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise Broken
    counts.parts(graph.count(_INITIALIZERS), "weights")
    counts.parts(graph.count(_VALUES), "values")
    counts.nodes(graph.count(_NODES))
    if graph.count(_SPARSE):
        raise Refused("it has weights that are stored sparsely, which no model needs here")
    for tensor in graph.tables(_INITIALIZERS):
        _tensor(tensor, counts)
    for value in graph.tables(_VALUES):
        _value(value, counts)
    for node in graph.tables(_NODES):
        _node(node, counts, depth)


def _tensor(tensor: Table, counts: Counts) -> None:
    what = f"its weight {quoted(tensor.text(_T_NAME).encode())}"
    kind = tensor.number(_T_TYPE, "<i")
    dims = tensor.numbers(_T_DIMS, "q", MOST_RANK)
    size = counts.size(dims, BYTES.get(kind, 1), what)
    if tensor.number(_T_OUTSIDE, "<q", -1) != -1:
        raise Refused(f"{what} lies in another file")
    raw = tensor.span(_T_RAW)
    counts.parts(tensor.count(_T_STRINGS), "texts")
    if kind in BYTES and kind != _STRING and (raw[1] if raw else 0) != size:
        held = raw[1] if raw else 0
        raise Refused(f"{what} holds fewer or more values than its shape: {held} bytes, not {size}")


def _value(value: Table, counts: Counts) -> None:
    """Check the declared shape of an input, an output or a value between."""
    kind = value.table(2)
    if kind is None or kind.number(1, "<B") != _TENSOR_TYPE:
        return
    tensor = kind.table(2)
    shape = tensor.table(1) if tensor is not None else None
    if tensor is None or shape is None:
        return
    if shape.count(0) > MOST_RANK:
        raise Refused("one of its tensors has more sides than any has")
    sides = []
    for each in shape.tables(0):
        side = each.table(0)
        sides.append(max(1, side.number(1, "<q")) if side is not None else 1)
    what = f"its tensor {quoted(value.text(0).encode())}"
    counts.size(sides, BYTES.get(tensor.number(0, "<i"), 1), what)


def _node(node: Table, counts: Counts, depth: int) -> None:
    domain, operator = node.text(_N_DOMAIN), node.text(_N_OPERATOR)
    if domain not in KNOWN_DOMAINS and domain not in counts.limits.domains:
        raise Refused(
            f"node {node.text(_N_NAME)[:80]!r} is the custom operator "
            f"{quoted(f'{domain}.{operator}'.encode())}, which no engine here has built in; name "
            "its domain in limits.toml if one does"
        )
    counts.parts(node.count(_N_ATTRIBUTES), "attributes")
    for attribute in node.tables(_N_ATTRIBUTES):
        tensor, graph = attribute.table(_A_TENSOR), attribute.table(_A_GRAPH)
        for each in (*([tensor] if tensor else []), *attribute.tables(_A_TENSORS)):
            _tensor(each, counts)
        for each in (*([graph] if graph else []), *attribute.tables(_A_GRAPHS)):
            _graph(each, counts, depth + 1)
