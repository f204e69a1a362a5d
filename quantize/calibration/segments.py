"""Run a model piece by piece, so that every value between its nodes can be looked at.

A model whose every value is an output keeps all of them in memory until it has run: more than a
gigabyte for inswapper. So the graph is cut into pieces of bounded size, one engine each. A sample
runs through all of them once; between two pieces only what is still needed is kept.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from quantize.engine import Engine
from quantize.errors import CalibrationError
from quantize.passes._infra.feeds import Feeds
from quantize.passes._infra.model import in_running_order, inputs_of
from quantize.passes._infra.shapes import infer_types, shape_of, tensor_bytes

__all__ = ["PiecewiseRun", "cut"]

MOST_VALUES = 256_000_000
"""Bytes of the values that one piece makes."""

MOST_WEIGHTS = 1_000_000_000
"""Bytes of the weights of one piece: a file of its own has to hold them."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some nodes in a row.

    Attributes:
        nodes: In running order.
        reads: Values that come from outside: inputs of the model, and what other pieces made.
        makes: Values that the nodes compute.
    """

    nodes: tuple[onnx.NodeProto, ...]
    reads: tuple[str, ...]
    makes: tuple[str, ...]


def _bytes_of(value: onnx.ValueInfoProto | None) -> int:
    """Return the size of a value; 0 where it is not known."""
    shape = None if value is None else shape_of(value)
    if value is None or shape is None:
        return 0
    item = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).itemsize
    return int(item) * math.prod(size or 1 for size in shape)


def cut(
    model: onnx.ModelProto, *, values: int = MOST_VALUES, weights: int = MOST_WEIGHTS
) -> list[Piece]:
    """Cut a model into pieces.

    Args:
        model: Without subgraphs.
        values: Bytes of values that a piece makes, unless one node alone makes more.
        weights: Bytes of weights that a piece reads, unless one node alone reads more.

    Returns:
        At least one piece, unless the model has no nodes but constants. Constant nodes are in
        none: they belong to every piece that reads them, like weights.
    """
    types = infer_types(model)
    fixed = {tensor.name: tensor_bytes(tensor) for tensor in model.graph.initializer}
    fixed.update({node.output[0]: 0 for node in model.graph.node if node.op_type == "Constant"})
    pieces: list[Piece] = []
    nodes: list[onnx.NodeProto] = []
    made = stored = 0
    for node in in_running_order(model.graph.node):
        if node.op_type == "Constant":
            continue
        makes = sum(_bytes_of(types.get(name)) for name in node.output)
        stores = sum(fixed.get(name, 0) for name in node.input)
        if nodes and (made + makes > values or stored + stores > weights):
            pieces.append(_piece(nodes, fixed))
            nodes, made, stored = [], 0, 0
        nodes.append(node)
        made, stored = made + makes, stored + stores
    return [*pieces, _piece(nodes, fixed)] if nodes else pieces


def _piece(nodes: list[onnx.NodeProto], fixed: Mapping[str, int]) -> Piece:
    makes = tuple(name for node in nodes for name in node.output if name)
    own = {*makes, *fixed, ""}
    reads = dict.fromkeys(name for node in nodes for name in node.input if name not in own)
    return Piece(tuple(nodes), tuple(reads), makes)


class PiecewiseRun:
    """A model that gives every float value between its nodes."""

    def __init__(self, model: onnx.ModelProto, *, threads: int, values: int = MOST_VALUES) -> None:
        """Cut a model into pieces; they are loaded when the first sample comes.

        Args:
            model: It is not edited.
            threads: Of the engine.
            values: Bytes of values that one piece makes.
        """
        self._model = model
        self._threads = threads
        self._pieces = cut(model, values=values)
        self._engines: list[Engine | None] = [None] * len(self._pieces)
        wanted = [value.name for value in inputs_of(model)]
        self._inputs = tuple(wanted)
        # By piece: what later ones still read.
        self._needed: list[set[str]] = []
        needed: set[str] = set()
        for piece in reversed(self._pieces):
            self._needed.append(set(needed))
            needed |= set(piece.reads)
        self._needed.reverse()

    def values(self, feeds: Feeds) -> Iterator[Arrays]:
        """Run one sample, and yield all float values, piece by piece.

        Args:
            feeds: An array per input of the model.

        Yields:
            First the inputs, then what each piece made; arrays of integers and the like are left
            out.

        Raises:
            EngineError: ONNX Runtime cannot load or run a piece.
            CalibrationError: An input is missing, or there is no room for temporary files.
        """
        missing = sorted(set(self._inputs) - set(feeds))
        if missing:
            raise CalibrationError(f"the samples hold nothing for the model's input '{missing[0]}'")
        alive: dict[str, NDArray[Any]] = {name: feeds[name] for name in self._inputs}
        yield _floats(alive)
        for index, piece in enumerate(self._pieces):
            engine = self._engines[index]
            if engine is None:
                engine = self._engines[index] = self._load(piece, alive)
            made = engine.run({name: alive[name] for name in piece.reads})
            yield _floats(made)
            alive.update(made)
            needed = self._needed[index]
            alive = {name: array for name, array in alive.items() if name in needed}

    def _load(self, piece: Piece, alive: Arrays) -> Engine:
        """Open an engine for a piece, with what it reads typed as it has come out just now."""
        graph = self._model.graph
        read = {name for node in piece.nodes for name in node.input}
        part = onnx.ModelProto()
        part.ir_version = max(self._model.ir_version, 4)  # from 4 on, weights need not be inputs
        part.opset_import.extend(self._model.opset_import)
        part.graph.name = "piece"
        constants = [node for node in graph.node if node.op_type == "Constant"]
        part.graph.node.extend(node for node in constants if node.output[0] in read)
        part.graph.node.extend(piece.nodes)
        part.graph.initializer.extend(one for one in graph.initializer if one.name in read)
        for name in piece.reads:
            array = alive[name]
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            part.graph.input.append(helper.make_tensor_value_info(name, kind, array.shape))
        part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in piece.makes)
        # Through a file: an engine that was given the model itself would keep a second copy of it.
        try:
            with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
                path = Path(folder) / "piece.onnx"
                with path.open("wb") as file:
                    file.write(part.SerializeToString())
                del part
                return Engine(path, threads=self._threads)
        except OSError as error:
            raise CalibrationError(
                f"a part of the model cannot be written to {tempfile.gettempdir()}: "
                f"{error.strerror}; set TMPDIR to a folder with room for the model"
            ) from error


def _floats(arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name: a for name, a in arrays.items() if np.issubdtype(a.dtype, np.floating)}
