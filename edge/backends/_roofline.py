"""How much arithmetic a model asks for, and how much of it this processor does at most.

Both by ONNX Runtime: its profile of one run names every operator with the shapes that went through
it, and its products of large matrices are as near to the processor's peak as any code here comes.
An operation is a multiplication or an addition, so that a multiply-add counts as two.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.backends.base import CPU_PROVIDER, first_line
from edge.backends.ort import _engine_errors, _import_engine, _options
from edge.errors import BackendError

__all__ = ["Product", "multiply_adds", "products"]

SIDE = 768
"""Of the matrices: large enough for the peak, and small enough for caches and a slow board."""

# Operators that multiply, by the place of their weights among their inputs. The quantized ones of
# the older form have a scale and a zero point after each input.
_CONVOLUTIONS = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcConv", "NhwcFusedConv", "ConvInteger"), 1),
    "QLinearConv": 3,
}
_PRODUCTS = (
    *("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulInteger", "DynamicQuantizeMatMul"),
    *("MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "MatMulNBits"),
)

_KINDS = {"float": np.float32, "float16": np.float16, "double": np.float64, "uint8": np.uint8}
_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6  # of a tensor, in ONNX


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A product of two large matrices, ready to run.

    Attributes:
        kind: What is multiplied: float32 or int8.
        threads: How many take part.
        operations: In one run.
        run: Runs it once.
    """

    kind: str
    threads: int
    operations: int
    run: Callable[[], object]


def multiply_adds(path: Path, shapes: Mapping[str, Sequence[int]]) -> int:
    """Count the multiply-adds of one run of a model: of convolutions and products of matrices.

    Args:
        path: An .onnx or .ort file.
        shapes: Of inputs whose sides the file leaves open, by name; what is not said is 1.

    Raises:
        EngineMissing: ONNX Runtime is not installed.
        BackendError: It cannot run the file.
    """
    ort = _import_engine()
    with tempfile.TemporaryDirectory(prefix="edge-profile-") as folder:
        options = _options(ort, 0)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        # As the file has it: fused operators go by many names.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Weights that were packed beforehand are not among the inputs that the profile tells of.
        options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            session = ort.InferenceSession(str(path), options, providers=[CPU_PROVIDER])
            session.run(None, {each.name: _zeros(each, shapes) for each in session.get_inputs()})
            profile = Path(session.end_profiling())
        except _engine_errors() as error:
            raise BackendError(f"{path.name}: cannot be profiled: {first_line(error)}") from error
        return _counted(json.loads(profile.read_text(encoding="utf-8")))


def _zeros(given: Any, shapes: Mapping[str, Sequence[int]]) -> Any:
    sides = shapes.get(given.name)
    if sides is None:
        sides = [side if isinstance(side, int) else 1 for side in given.shape]
    kind = given.type.removeprefix("tensor(").removesuffix(")")
    return np.zeros(tuple(sides), _KINDS.get(kind, np.float32))


def _counted(events: Iterable[Mapping[str, Any]]) -> int:
    total = 0
    for event in events:
        facts = event.get("args", {})
        if "op_name" not in facts or "output_type_shape" not in facts:
            continue
        into, out = (_shapes(facts[f"{way}_type_shape"]) for way in ("input", "output"))
        total += _of_one(facts["op_name"], into, out)
    return total


def _shapes(listed: Iterable[Mapping[str, Sequence[int]]]) -> list[list[int]]:
    return [list(shape) for each in listed for shape in each.values()]


def _of_one(operator: str, into: Sequence[Sequence[int]], out: Sequence[Sequence[int]]) -> int:
    if not into or not out:
        return 0
    place = _CONVOLUTIONS.get(operator)
    if place is not None and len(into) > place:
        return math.prod(out[0]) * math.prod(into[place][1:])
    if operator == "ConvTranspose" and len(into) > 1:
        return math.prod(into[0]) * math.prod(into[1][1:])
    if operator in _PRODUCTS and into[0] and out[0]:
        rows = math.prod(out[0][:-1])  # of the first matrix, however it is turned
        return math.prod(out[0]) * (math.prod(into[0]) // max(rows, 1)) if rows else 0
    return 0


def products(threads: int) -> tuple[Product, ...]:
    """Return products of large matrices, as float32 and as int8, for so many threads.

    Raises:
        EngineMissing: ONNX Runtime is not installed.
    """
    ort = _import_engine()
    random = np.random.default_rng(0)
    square = (SIDE, SIDE)
    kinds = {
        "float32": (_product("MatMul", _FLOAT, _FLOAT, _FLOAT), np.float32, np.float32),
        "int8": (_product("MatMulInteger", _UINT8, _INT8, _INT32), np.uint8, np.int8),
    }
    found = []
    for kind, (model, first, second) in kinds.items():
        session = ort.InferenceSession(model, _options(ort, threads), providers=[CPU_PROVIDER])
        feeds = {
            name: random.integers(0, 100, square).astype(dtype)
            for name, dtype in (("a", first), ("b", second))
        }
        run = partial(session.run, None, feeds)
        found.append(Product(kind, threads, 2 * SIDE**3, run))
    return tuple(found)


def _product(operator: str, first: int, second: int, result: int) -> bytes:
    """Return an ONNX model of one product, written by hand: a device has no onnx package."""
    node = _field(1, b"a") + _field(1, b"b") + _field(2, b"c") + _field(4, operator.encode())
    graph = _field(1, node) + _field(2, b"product")
    graph += _field(11, _value(b"a", first)) + _field(11, _value(b"b", second))
    graph += _field(12, _value(b"c", result))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13))


def _value(name: bytes, kind: int) -> bytes:
    shape = _field(1, _field(1, SIDE)) * 2
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _field(number: int, value: int | bytes) -> bytes:
    """Return one field of a protocol buffer: a whole number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
