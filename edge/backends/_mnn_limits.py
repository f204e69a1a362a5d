"""What an .mnn file asks for, held against this device's limits before the engine opens it.

Slots and codes are those of MNN's schema (`MNN.fbs`, version 3), and of files that its converter
wrote. Parameters of operators are looked at where they declare sizes: inputs, constants and
convolutions; of the others only the head is.
"""

from __future__ import annotations

from pathlib import Path

from edge.backends._flatbuffer import Table
from edge.backends._model_limits import Counts, check_flatbuffer
from edge.backends._onnx_file import Broken
from edge.backends._onnx_limits import MOST_RANK, Refused, quoted
from edge.errors import ModelError

_OPERATORS, _NAMES, _NUMBER, _SUBGRAPHS = 3, 7, 8, 10  # of a net
_INPUTS, _KIND, _MAIN, _NAME, _OUTPUTS, _OUTSIDE_PATH = 0, 1, 2, 3, 4, 7  # of an operator
_BLOB, _CONVOLUTION, _INPUT = 7, 9, 21  # of the union of parameters
_BLOB_OUTSIDE, _CONVOLUTION_OUTSIDE = 9, 6
_VALUES = {3: 1, 4: 1, 5: 4, 6: 8, 7: 4}
"""Slots of a constant's values, and bytes of one."""

_WIDTHS = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 9: 8, 10: 1, 14: 2, 17: 2, 19: 2}
"""DataType -> bytes of one value."""

_FLOAT = 1


def check_mnn_file(path: Path) -> None:
    """Check that a file is a whole .mnn model that asks for no more than it may.

    Args:
        path: The file.

    Raises:
        ModelError: Not readable, damaged, over one of this device's limits, or with weights in
            another file.
        PolicyError: The device's limits cannot be read.
    """
    check_flatbuffer(path, "an .mnn", _net)
    beside = path.with_name(f"{path.name}.weight")
    if beside.exists() or beside.is_symlink():
        # The engine opens it without being asked.
        raise ModelError(f"{path}: refused: {beside.name} lies beside it; weights in a file of "
                         "their own are not read here")  # fmt: skip


def _net(net: Table, counts: Counts, length: int) -> None:
    names = net.count(_NAMES)
    counts.parts(names, "tensors")
    most = 10 * counts.limits.max_nodes
    if not 0 <= net.number(_NUMBER, "<i") <= most:
        raise Refused(f"it states {net.number(_NUMBER, '<i')} tensors: at most {most}")
    for _ in net.texts(_NAMES):
        pass
    if not net.count(_OPERATORS):
        raise Refused("it holds no graph")
    tensors = max(names, net.number(_NUMBER, "<i"))
    counts.nodes(net.count(_OPERATORS))
    for operator in net.tables(_OPERATORS):
        _operator(operator, tensors, counts)
    counts.nodes(net.count(_SUBGRAPHS))
    for graph in net.tables(_SUBGRAPHS):
        inner = graph.count(3)
        counts.parts(inner, "tensors")
        counts.nodes(graph.count(4))
        for operator in graph.tables(4):
            _operator(operator, inner, counts)


def _operator(operator: Table, tensors: int, counts: Counts) -> None:
    name = quoted(operator.text(_NAME).encode())
    if operator.has(_OUTSIDE_PATH):
        raise Refused(f"its node {name} asks for weights in another file")
    for slot in (_INPUTS, _OUTPUTS):
        places = operator.numbers(slot, "i", tensors + 1000)
        if any(not -1 <= place < tensors for place in places):
            raise Broken
    kind, main = operator.number(_KIND, "<B"), operator.table(_MAIN)
    if main is None:
        return
    if kind == _INPUT:
        # Sides of -1 are open.
        sides = [max(1, side) for side in main.numbers(0, "i", MOST_RANK)]
        width = _WIDTHS.get(main.number(1, "<i", _FLOAT), 4)
        counts.size(sides, width, f"its input {name}")
    elif kind == _BLOB:
        _blob(main, name, counts)
    elif kind == _CONVOLUTION:
        _convolution(main, name, counts)


def _blob(blob: Table, name: str, counts: Counts) -> None:
    if blob.count(_BLOB_OUTSIDE):
        raise Refused(f"its constant {name} lies in another file")
    what = f"its constant {name}"
    kind = blob.number(2, "<i", _FLOAT)
    size = counts.size(blob.numbers(0, "i", MOST_RANK), _WIDTHS.get(kind, 1), what)
    held = sum((blob.span(slot, width) or (0, 0))[1] * width for slot, width in _VALUES.items())
    if held and kind in _WIDTHS and held < size:
        raise Refused(f"{what} holds fewer values than its shape: {held} bytes, not {size}")


def _convolution(main: Table, name: str, counts: Counts) -> None:
    if main.count(_CONVOLUTION_OUTSIDE):
        raise Refused(f"the weights of its node {name} lie in another file")
    for slot in (1, 2):
        main.span(slot, 4)
    common, quantized = main.table(0), main.table(3)
    if common is not None:
        # Kernel, and channels on both sides; 0 stands for "as the weights say".
        sides = [common.number(slot, "<i", default) for slot, default in
                 ((2, 1), (3, 1), (10, 0), (11, 0))]  # fmt: skip
        counts.size([max(1, side) if side >= 0 else side for side in sides], 4,
                    f"the weight of its node {name}")  # fmt: skip
    if quantized is not None:
        quantized.span(0)
        quantized.span(1, 4)
        quantized.span(13, 4)
