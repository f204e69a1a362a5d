"""Short names inside a model: in a small 8-bit one they weigh as much as a tenth of the file."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator

import onnx

from quantize.passes._infra.model import refuse_nesting

__all__ = ["shorten_names"]

_DIGITS = string.digits + string.ascii_letters
_NAMELESS = ("QuantizeLinear", "DequantizeLinear")


def _words() -> Iterator[str]:
    """Yield the shortest words first: 0, 1, ... Z, 00, 01, ..."""
    for length in itertools.count(1):
        for letters in itertools.product(_DIGITS, repeat=length):
            yield "".join(letters)


def shorten_names(model: onnx.ModelProto) -> None:
    """Rename what no one outside asks for, in place.

    1. Values between nodes and stored values get the shortest names there are.
    2. Quantize and dequantize nodes lose theirs: an engine takes them into what they stand beside.
    3. Inputs, outputs and the names of all other nodes stay, which reports speak of.
    4. Notes on the shape of a value go with it where they are kept.

    Args:
        model: without subgraphs, which could speak of the values too.

    Raises:
        GraphError: it has subgraphs or functions.
    """
    refuse_nesting(model)
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    words = (word for word in _words() if word not in kept)
    names: dict[str, str] = {name: name for name in kept} | {"": ""}

    def short(name: str) -> str:
        if name not in names:
            names[name] = next(words)
        return names[name]

    for node in graph.node:
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
        if node.op_type in _NAMELESS:
            node.name = ""
    for named in (*graph.initializer, *graph.value_info):
        named.name = short(named.name)
    for note in graph.quantization_annotation:
        note.tensor_name = short(note.tensor_name)
