"""What a .tflite file asks for, held against this device's limits before an engine opens it.

Slots and codes are those of TensorFlow Lite's schema, version 3. Options of operators are looked at
as tables, not field by field: what they mean is for the engine, which checks it when it prepares.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.backends._flatbuffer import Table
from edge.backends._model_limits import Counts, check_flatbuffer
from edge.backends._onnx_file import Broken
from edge.backends._onnx_limits import MOST_RANK, Refused, quoted

IDENTIFIER = b"TFL3"
_VERSION = 3

_CODES, _SUBGRAPHS, _BUFFERS, _METADATA, _SIGNATURES = 1, 2, 4, 6, 7  # of a model
_OUTSIDE = (8, 9)  # of a model: groups of buffers in other files, and these buffers
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # of a subgraph
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTIZATION, _SPARSITY, _SIGNATURE = 0, 1, 2, 3, 4, 6, 7
_CUSTOM = 32  # BuiltinOperator

_WIDTHS: dict[int, float] = {
    0: 4,
    1: 2,
    2: 4,
    3: 1,
    4: 8,
    6: 1,
    7: 2,
    8: 8,
    9: 1,
    10: 8,
    11: 16,
    12: 8,
    15: 4,
}
_WIDTHS |= {16: 2, 17: 0.5, 18: 2, 19: 0.25, 20: 0.5, 21: 1, 22: 1}
"""TensorType -> bytes of one value. Strings, resources and variants have no size of their own."""


def check_tflite_file(path: Path) -> None:
    """Check that a file is a whole .tflite model that asks for no more than it may.

    Args:
        path: The file.

    Raises:
        ModelError: Not readable, damaged, over one of this device's limits, or with custom
            operators whose names `limits.toml` does not have.
        PolicyError: The device's limits cannot be read.
    """
    check_flatbuffer(path, "a .tflite", _model, letters=IDENTIFIER)


def _model(model: Table, counts: Counts, length: int) -> None:
    if model.number(0, "<I") != _VERSION:
        raise Refused(f"it is of version {model.number(0, '<I')} of the format, not {_VERSION}")
    if any(model.count(slot) for slot in _OUTSIDE):
        raise Refused("it keeps weights in other files")
    for slot, what in ((_CODES, "kinds of operators"), (_BUFFERS, "buffers"),
                       (_METADATA, "notes"), (_SIGNATURES, "signatures")):  # fmt: skip
        counts.parts(model.count(slot), what)
    for code in model.tables(_CODES):
        _operator_code(code, counts)
    buffers = [_buffer(buffer, length) for buffer in model.tables(_BUFFERS)]
    counts.nodes(model.count(_SUBGRAPHS))
    sizes = [
        _subgraph(graph, model.count(_CODES), buffers, counts) for graph in model.tables(_SUBGRAPHS)
    ]
    if not sizes:
        raise Refused("it holds no graph")
    for note in model.tables(_METADATA):
        note.text(0)
        _within([note.number(1, "<I")], len(buffers))
    for signature in model.tables(_SIGNATURES):
        _signature(signature, sizes, counts)


def _operator_code(code: Table, counts: Counts) -> None:
    builtin = max(code.number(0, "<b"), code.number(3, "<i"))
    name = code.text(1)
    if builtin == _CUSTOM and name not in counts.limits.domains:
        raise Refused(
            f"it has the custom operator {quoted(name.encode())}, which no engine here has built "
            "in; name it among the domains of limits.toml if one does"
        )


def _buffer(buffer: Table, length: int) -> int | None:
    """Return the size of a buffer; None where it is empty."""
    held = buffer.span(0)
    start, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
    if start > 1 or size > 1:  # behind the flatbuffer; 1 stands for "not known yet"
        if start + size > length:
            raise Broken
        return size
    return held[1] if held is not None and held[1] else None


def _within(places: Sequence[int], count: int, least: int = 0) -> None:
    if any(not least <= place < count for place in places):
        raise Broken


def _subgraph(graph: Table, codes: int, buffers: list[int | None], counts: Counts) -> int:
    """Check one graph; return how many tensors it has."""
    tensors = graph.count(_TENSORS)
    counts.parts(tensors, "tensors")
    for tensor in graph.tables(_TENSORS):
        _tensor(tensor, buffers, counts)
    for slot in (_INPUTS, _OUTPUTS):
        _within(graph.numbers(slot, "i", tensors), tensors)
    counts.nodes(graph.count(_OPERATORS))
    for operator in graph.tables(_OPERATORS):
        _within([operator.number(0, "<I")], codes)
        _within(operator.numbers(1, "i", tensors + 1000), tensors, least=-1)  # -1: left out
        _within(operator.numbers(2, "i", tensors), tensors)
        operator.table(4)  # its options, of one of two unions
        operator.span(5)
        operator.span(7)
        _within(operator.numbers(8, "i", tensors), tensors, least=-1)
        operator.table(12)
    return tensors


def _tensor(tensor: Table, buffers: list[int | None], counts: Counts) -> None:
    what = f"its tensor {quoted(tensor.text(_NAME).encode())}"
    kind = tensor.number(_TYPE, "<b")
    shape = tensor.numbers(_SHAPE, "i", MOST_RANK)
    size = counts.size(shape, _WIDTHS.get(kind, 1), what)
    free = tensor.numbers(_SIGNATURE, "i", MOST_RANK)
    if free and (len(free) != len(shape) or min(free) < -1):
        raise Broken
    place = tensor.number(_BUFFER, "<I")
    _within([place], len(buffers))
    held = buffers[place]
    if held is not None and kind in _WIDTHS and held != size:
        raise Refused(f"{what} holds fewer or more values than its shape: {held} bytes, not {size}")
    if tensor.has(_SPARSITY):
        raise Refused(f"{what} is stored sparsely, which no model needs here")
    quantization = tensor.table(_QUANTIZATION)
    if quantization is not None:
        _quantization(quantization, shape, what)


def _quantization(quantization: Table, shape: Sequence[int], what: str) -> None:
    scales = quantization.span(2, 4) or (0, 0)
    zeros = quantization.span(3, 8) or (0, 0)
    for slot in (0, 1):
        quantization.span(slot, 4)
    quantization.table(5)
    axis = quantization.number(6, "<i")
    if scales[1] > 1 and not (0 <= axis < len(shape) and scales[1] == shape[axis]):
        raise Refused(f"{what} has {scales[1]} scales, which its shape has no use for")
    if zeros[1] not in (0, 1, scales[1]):
        raise Refused(f"{what} has {scales[1]} scales and {zeros[1]} zero points")


def _signature(signature: Table, sizes: Sequence[int], counts: Counts) -> None:
    graph = signature.number(4, "<I")
    _within([graph], len(sizes))
    for slot in (0, 1):
        counts.parts(signature.count(slot), "names")
        for named in signature.tables(slot):
            named.text(0)
            _within([named.number(1, "<I")], sizes[graph])
    signature.text(2)
