"""The outline of an ONNX graph: its inputs, outputs, operators and the shapes of its weights.

By this a file is recognised before any engine opens it, and without the onnx package, which a
device does not carry. Weights are skipped, not read, so a file of any size takes milliseconds.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.backends._onnx_file import Broken, fields, varints
from edge.errors import ModelError

_PRODUCER, _GRAPH, _OPSET = 2, 7, 8  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a graph
_OPERATOR = 4  # of a node
_DIMS, _TYPE, _NAME = 1, 2, 8  # of a tensor
_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    16: "bfloat16",
}
_MOST_PARTS = 500_000
_MOST_NAME = 200
_MOST_RANK = 16


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output.

    Attributes:
        name: Its name.
        kind: Type of its numbers, e.g. float32; "?" where the graph does not say.
        shape: Its sides; 0 where one is dynamic. None where the graph does not say.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None

    @property
    def text(self) -> str:
        """As people write it: "target float32 [1, 3, 128, 128]"."""
        sides = "?" if self.shape is None else ", ".join(str(side or "?") for side in self.shape)
        return f"{self.name} {self.kind} [{sides}]"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a graph looks like from outside.

    Attributes:
        producer: What wrote the file, as it says.
        opset: Version of the standard operators.
        inputs: What goes in; weights that are listed as inputs are left out.
        outputs: What comes out.
        operators: How often each operator occurs.
        parameters: Numbers in all weights.
        kinds: Numbers in the weights of each type.
        shapes: How many weights there are of each shape, written as "1024x1024x3x3".
        fingerprint: SHA-256, hex, of the operators in their order and of the types and shapes of
            the weights: equal for all files of one topology, whatever their names and values.
    """

    producer: str
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: Mapping[str, int]
    parameters: int
    kinds: Mapping[str, int]
    shapes: Mapping[str, int]
    fingerprint: str

    @property
    def precision(self) -> str:
        """How the weights are stored: fp32, fp16, int8 (quantized values too) or w8."""
        if self.kinds.get("int8", 0) + self.kinds.get("uint8", 0) > self.parameters // 2:
            return "int8" if "QuantizeLinear" in self.operators else "w8"
        return "fp16" if self.kinds.get("float16", 0) > self.parameters // 2 else "fp32"


def outline_of(path: Path) -> Outline:
    """Return the outline of an ONNX file.

    Args:
        path: The file, whatever its suffix.

    Raises:
        ModelError: Not readable, no ONNX model, or of more parts than any real one has.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _outline(data)
    except (OSError, ValueError) as error:  # ValueError: mmap of an empty file
        raise ModelError(f"{path}: not a readable ONNX model: {error}") from error
    except Broken as error:
        raise ModelError(f"{path}: not an ONNX model, or truncated") from error


def _outline(data: mmap.mmap) -> Outline:
    producer, opset, graph = "", 0, None
    for number, at, end in fields(data, 0, len(data)):
        if number == _PRODUCER:
            producer = _text(data, at, end)
        elif number == _OPSET:
            domain = [data[a:b] for key, a, b in fields(data, at, end) if key == 1]
            if domain in ([], [b""]):
                opset = next(iter(varints(data, at, end, 2)), 0)
        elif number == _GRAPH:
            graph = (at, end)
    if graph is None:
        raise Broken
    return _graph(data, *graph, producer, opset)


def _graph(data: mmap.mmap, start: int, stop: int, producer: str, opset: int) -> Outline:
    operators: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    weights: list[str] = []
    stored: set[str] = set()
    inputs: list[Port] = []
    outputs: list[Port] = []
    topology = hashlib.sha256()
    for count, (number, at, end) in enumerate(fields(data, start, stop)):
        if count >= _MOST_PARTS:
            raise ModelError(f"a graph of more than {_MOST_PARTS} parts is no model that runs here")
        if number == _NODE:
            name = next(
                (_text(data, a, b) for k, a, b in fields(data, at, end) if k == _OPERATOR), ""
            )
            operators[name] += 1
            topology.update(name.encode() + b"\n")
        elif number == _INITIALIZER:
            name, kind, dims = _weight(data, at, end)
            stored.add(name)
            kinds[kind] += math.prod(dims)
            shapes["x".join(map(str, dims))] += 1
            weights.append(f"{kind} {dims}")
        elif number in (_INPUT, _OUTPUT):
            (inputs if number == _INPUT else outputs).append(_port(data, at, end))
    topology.update("\n".join(sorted(weights)).encode())
    return Outline(
        producer=producer,
        opset=opset,
        inputs=tuple(port for port in inputs if port.name not in stored),
        outputs=tuple(outputs),
        operators=dict(operators),
        parameters=sum(kinds.values()),
        kinds=dict(kinds),
        shapes=dict(shapes),
        fingerprint=topology.hexdigest(),
    )


def _text(data: mmap.mmap, at: int, end: int) -> str:
    return data[at : min(end, at + _MOST_NAME)].decode("utf-8", "replace")


def _weight(data: mmap.mmap, at: int, end: int) -> tuple[str, str, list[int]]:
    name = next((_text(data, a, b) for key, a, b in fields(data, at, end) if key == _NAME), "")
    kind = next(iter(varints(data, at, end, _TYPE)), 0)
    dims = varints(data, at, end, _DIMS)
    # Sides of 2^63 in a hostile file would make numbers of any length.
    if len(dims) > _MOST_RANK or any(side >= 1 << 40 for side in dims):
        raise Broken
    return name, _TYPES.get(kind, "?"), dims


def _port(data: mmap.mmap, at: int, end: int) -> Port:
    """Read a ValueInfoProto: name = 1, type = 2; tensor = 1 of that; element = 1, shape = 2."""
    name, kind, shape = "", "?", None
    for number, a, b in fields(data, at, end):
        if number == 1:
            name = _text(data, a, b)
        elif number == 2:
            for key, c, d in fields(data, a, b):
                if key == 1:
                    code = next(iter(varints(data, c, d, 1)), 0)
                    kind = _TYPES.get(code, "?")
                    sides = [(e, f) for k, e, f in fields(data, c, d) if k == 2]
                    shape = _sides(data, *sides[0]) if sides else None
    return Port(name, kind, shape)


def _sides(data: mmap.mmap, at: int, end: int) -> tuple[int, ...]:
    sides = []
    for number, a, b in fields(data, at, end):
        if number == 1:
            side = next(iter(varints(data, a, b, 1)), 0)
            sides.append(side if 0 < side < 1 << 40 else 0)
    if len(sides) > _MOST_RANK:
        raise Broken
    return tuple(sides)
