"""What an ONNX file asks for, held against this device's limits before an engine allocates any.

A file of a few hundred bytes can declare weights of terabytes, blow a constant up to any size when
the graph is opened (ConstantOfShape, Expand, Tile, Range), call functions that call each other, or
name operators that a library of somebody else's would run. Only numbers that decide about sizes are
read: those of constants of at most sixteen values.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.backends._onnx_file import Broken, fields, varints

if TYPE_CHECKING:
    from edge.limits import ModelLimits

KNOWN_DOMAINS = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "com.microsoft",  # ONNX Runtime's own, compiled in; quantized models use them
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    }
)
"""Operators that engines have built in. Others need a library, which is never loaded."""

# Field numbers of onnx.proto3.
_GRAPH, _FUNCTION = 7, 25  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE = 1, 5, 11, 12, 13  # of a graph
_F_NAME, _F_NODE, _F_DOMAIN = 1, 7, 10  # of a function
_N_INPUT, _N_OUTPUT, _N_NAME, _N_OPERATOR, _N_ATTRIBUTE, _N_DOMAIN = 1, 2, 3, 4, 5, 7
_A_NAME, _A_INT, _A_TENSOR, _A_GRAPH, _A_INTS, _A_GRAPHS = 1, 3, 5, 6, 8, 11
_T_DIMS, _T_TYPE, _T_FLOATS, _T_INT32S, _T_INT64S, _T_NAME, _T_RAW = 1, 2, 4, 5, 7, 8, 9
_T_EXTERNAL = 13

BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""TensorProto.DataType -> bytes of one value; strings and packed types count as one byte."""

_READ = {6: "i", 7: "q", 1: "f", 11: "d"}
_MOST_VALUES = 16
_MOST_DEPTH = 64
MOST_RANK = 32

_SIZED = {"ConstantOfShape": 0, "Expand": 1, "Resize": 3, "Upsample": 1, "OneHot": 1}
"""Operators whose output has as many values as one of their inputs says, and which input."""


class Refused(Exception):
    """The model asks for more than it may; the message says what, as half a sentence."""


@dataclass(slots=True)
class _Seen:
    """What has been seen of a model.

    Attributes:
        constants: Small constants by name.
        nodes: Nodes so far, those of functions not counted where they are called.
        calls: Operators of other domains, how often, in the graph itself.
        callers: Of each of these the name of the first node that calls it.
        functions: Of each local function, what it calls and how many nodes it has.
    """

    limits: ModelLimits
    constants: dict[bytes, tuple[float, ...]] = field(default_factory=dict)
    nodes: int = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    callers: dict[tuple[str, str], str] = field(default_factory=dict)
    functions: dict[tuple[str, str], tuple[Counter[tuple[str, str]], int]] = field(
        default_factory=dict
    )


def check_limits(data: mmap.mmap, limits: ModelLimits) -> None:
    """Check what a whole ONNX file asks for.

    Args:
        data: The file.
        limits: This device's.

    Raises:
        Refused: It asks for too much, or for operators that no engine has.
        Broken: It is no ONNX file.
    """
    seen = _Seen(limits)
    graphs = []
    for number, at, end in fields(data, 0, len(data)):
        if number == _GRAPH:
            graphs.append((at, end))
        elif number == _FUNCTION:
            _function(data, at, end, seen)
    for at, end in graphs:
        _graph(data, at, end, seen, 0)
    _check_calls(seen)


def _function(data: mmap.mmap, start: int, stop: int, seen: _Seen) -> None:
    name, domain = "", ""
    calls: Counter[tuple[str, str]] = Counter()
    outer, seen.calls, before = seen.calls, calls, seen.nodes
    for number, at, end in fields(data, start, stop):
        if number == _F_NAME:
            name = _text(data, at, end)
        elif number == _F_DOMAIN:
            domain = _text(data, at, end)
        elif number == _F_NODE:
            _node(data, at, end, seen, 0)
    seen.functions[domain, name] = (calls, seen.nodes - before)
    seen.calls = outer


def _graph(data: mmap.mmap, start: int, stop: int, seen: _Seen, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise Broken
    nodes = []
    for number, at, end in fields(data, start, stop):
        if number == _NODE:
            nodes.append((at, end))
        elif number == _INITIALIZER:
            _tensor(data, at, end, seen)
        elif number in (_INPUT, _OUTPUT, _VALUE):
            _port(data, at, end, seen)
    for at, end in nodes:  # behind the weights: a node's sizes may stand in one of them
        _node(data, at, end, seen, depth)


def _tensor(data: mmap.mmap, start: int, stop: int, seen: _Seen) -> bytes:
    """Check a stored tensor, remember it if it is small, and return its name."""
    dims, kind = varints(data, start, stop, _T_DIMS), varints(data, start, stop, _T_TYPE)
    if len(dims) > MOST_RANK:
        raise Refused("one of its weights has more sides than any has")
    code = kind[0] if kind else 0
    count = math.prod(dims)
    size = count * BYTES.get(code, 1)
    name, raw, outside = b"", None, False
    for number, at, end in fields(data, start, stop):
        if number == _T_NAME:
            name = data[at : min(end, at + 200)]
        elif number == _T_RAW:
            raw = (at, end)
        elif number == _T_EXTERNAL:
            outside = True
    what = f"its weight {quoted(name)}"
    if any(side >= 1 << 63 for side in dims):
        raise Refused(f"{what} has a negative size")
    if size > seen.limits.max_tensor_bytes:
        raise Refused(f"{what} has {mib(size)}: at most {mib(seen.limits.max_tensor_bytes)}")
    if raw is not None and not outside and code in BYTES and raw[1] - raw[0] != size:
        held = raw[1] - raw[0]
        raise Refused(f"{what} holds fewer or more values than its shape: {held} bytes, not {size}")
    if count <= _MOST_VALUES and code in _READ:
        seen.constants[name] = _values(data, start, stop, code, raw)
    return name


def _values(
    data: mmap.mmap, start: int, stop: int, code: int, raw: tuple[int, int] | None
) -> tuple[float, ...]:
    letter = _READ[code]
    if raw is None and letter in "iq":
        found = varints(data, start, stop, _T_INT64S if letter == "q" else _T_INT32S)
        return tuple(float(value - (1 << 64) if value >> 63 else value) for value in found)
    if raw is None:
        raw = next(((a, b) for n, a, b in fields(data, start, stop) if n == _T_FLOATS), (0, 0))
        letter = "f"
    bytes_ = data[raw[0] : raw[1]]
    width = struct.calcsize(letter)
    return struct.unpack(f"<{len(bytes_) // width}{letter}", bytes_[: len(bytes_) // width * width])


def _port(data: mmap.mmap, start: int, stop: int, seen: _Seen) -> None:
    """Check the declared shape of an input, an output or a value between."""
    name = b""
    for number, at, end in fields(data, start, stop):
        if number == 1:
            name = data[at : min(end, at + 200)]
        elif number == 2:
            for key, a, b in fields(data, at, end):
                if key != 1:
                    continue
                code = next(iter(varints(data, a, b, 1)), 0)
                count = math.prod(_sides(data, a, b))
                size = count * BYTES.get(code, 1)
                if size > seen.limits.max_tensor_bytes:
                    most = mib(seen.limits.max_tensor_bytes)
                    raise Refused(f"its tensor {quoted(name)} has {mib(size)}: at most {most}")


def _sides(data: mmap.mmap, start: int, stop: int) -> Iterator[int]:
    for number, at, end in fields(data, start, stop):
        if number == 2:
            for index, (_, a, b) in enumerate(fields(data, at, end)):
                if index > MOST_RANK:
                    raise Refused("one of its tensors has more sides than any has")
                side = next(iter(varints(data, a, b, 1)), 1)
                yield 1 if side >= 1 << 63 else side or 1


def _node(data: mmap.mmap, start: int, stop: int, seen: _Seen, depth: int) -> None:
    seen.nodes += 1
    if seen.nodes > seen.limits.max_nodes:
        raise Refused(f"it has more than {seen.limits.max_nodes} nodes")
    operator = domain = name = ""
    inputs: list[bytes] = []
    output = b""
    attributes: list[tuple[int, int]] = []
    for number, at, end in fields(data, start, stop):
        if number == _N_INPUT:
            inputs.append(data[at:end])
        elif number == _N_OUTPUT:
            output = output or data[at:end]
        elif number == _N_NAME:
            name = _text(data, at, end)
        elif number == _N_OPERATOR:
            operator = _text(data, at, end)
        elif number == _N_DOMAIN:
            domain = _text(data, at, end)
        elif number == _N_ATTRIBUTE:
            attributes.append((at, end))
    if domain not in KNOWN_DOMAINS:
        seen.calls[domain, operator] += 1
        seen.callers.setdefault((domain, operator), name)
    whole = operator == "Constant" or operator.startswith(("Random", "EyeLike"))
    for at, end in attributes:
        found = _attribute(data, at, end, seen, depth, read=whole)
        if operator == "Constant" and found is not None:
            seen.constants[output] = found
        elif found is not None and operator.startswith("Random"):
            _check_count(operator, math.prod(found), seen)
    _check_sizes(operator, [seen.constants.get(name) for name in inputs], seen)


def _attribute(
    data: mmap.mmap, start: int, stop: int, seen: _Seen, depth: int, *, read: bool
) -> tuple[float, ...] | None:
    """Look into an attribute's tensors and graphs; return the numbers that it holds, if asked."""
    found: tuple[float, ...] | None = None
    name = b""
    for number, at, end in fields(data, start, stop):
        if number == _A_NAME:
            name = data[at:end]
        elif number == _A_TENSOR:
            held = _tensor(data, at, end, seen)
            found = seen.constants.get(held) if read else None
        elif number in (_A_GRAPH, _A_GRAPHS):
            _graph(data, at, end, seen, depth + 1)
    if read and name in (b"shape", b"value_ints"):
        found = tuple(map(float, varints(data, start, stop, _A_INTS)))
    elif read and name == b"value_int":
        found = tuple(map(float, varints(data, start, stop, _A_INT)))
    return found


def _check_sizes(operator: str, inputs: list[tuple[float, ...] | None], seen: _Seen) -> None:
    place = _SIZED.get(operator)
    if place is not None and place < len(inputs):
        _check_count(operator, math.prod(abs(value) for value in inputs[place] or ()), seen)
    elif operator == "Tile" and len(inputs) > 1:
        _check_count(operator, math.prod(abs(value) for value in inputs[1] or ()), seen)
    elif operator == "Pad" and len(inputs) > 1:
        _check_count(operator, sum(abs(value) for value in inputs[1] or ()), seen)
    elif operator == "Range" and len(inputs) == 3:
        first, last, step = ((each or (math.nan,))[0] for each in inputs)
        if not math.isnan(first + last + step):
            _check_count(operator, abs(last - first) / (abs(step) or 1.0), seen)


def _check_count(operator: str, count: float, seen: _Seen) -> None:
    most = seen.limits.max_tensor_bytes / 4
    if count > most:
        raise Refused(
            f"an operator {operator} makes {count:.3g} values of a constant: at most {most:.3g}"
        )


def _check_calls(seen: _Seen) -> None:
    """Check that every operator of another domain is a function of the file, and how it unfolds."""
    known: dict[tuple[str, str], int] = {}
    total = seen.nodes + _unfolded(seen.calls, seen, known, ())
    if total > seen.limits.max_nodes:
        raise Refused(f"its functions unfold to more than {seen.limits.max_nodes} nodes")


def _unfolded(
    calls: Mapping[tuple[str, str], int],
    seen: _Seen,
    known: dict[tuple[str, str], int],
    way: tuple[tuple[str, str], ...],
) -> int:
    total = 0
    for called, times in calls.items():
        if called not in seen.functions:
            if called[0] in seen.limits.domains:
                continue
            raise Refused(
                f"node {seen.callers.get(called, '')!r} is the custom operator {'.'.join(called)}, "
                "which no engine here has built in; name its domain in limits.toml if one does"
            )
        if called in way or len(way) > _MOST_DEPTH:
            raise Refused(f"its function {quoted(called[1].encode())} calls itself")
        if called not in known:
            inner, nodes = seen.functions[called]
            known[called] = nodes + _unfolded(inner, seen, known, (*way, called))
        total += times * known[called]
    return total


def _text(data: mmap.mmap, at: int, end: int) -> str:
    return data[at : min(end, at + 200)].decode("utf-8", "replace")


def quoted(name: bytes) -> str:
    """Return a name of somebody else's for a message."""
    return repr(name.decode("utf-8", "replace")[:80])


def mib(size: float) -> str:
    """Return a number of bytes for a message."""
    return f"{size / 2**20:.4g} MiB"
