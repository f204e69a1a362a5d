"""Two things that the runtime reads out of an ONNX file itself, without the onnx package.

Engines keep neither: a matrix that no operator reads is dropped when a model is opened, and not
every engine hands out the model's metadata. Only what is asked for is read, whatever the size of
the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.backends._onnx_file import Broken, fields, varints
from edge.errors import ModelError

_GRAPH, _METADATA = 7, 14  # of a model
_NODE, _INITIALIZER, _OUTPUT = 1, 5, 12  # of a graph
_NODE_INPUT, _NODE_ATTRIBUTE = 1, 5
_SUBGRAPHS = (6, 11)  # of an attribute
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _EXTERNAL = 1, 2, 4, 8, 9, 10, 13  # of a tensor
_FLOAT, _HALF, _DOUBLE = 1, 10, 11
_DTYPES = {_FLOAT: "<f4", _HALF: "<f2", _DOUBLE: "<f8"}

_MAX_DEPTH = 32
_MOST_METADATA = 1 << 20  # bytes
_MOST_HEADER = 1 << 16  # bytes of a tensor beside its numbers: name, documentation
_MOST_MATRICES = 16
"""So many unread matrices of one shape are no emap; each costs a megabyte and a decomposition."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A stored matrix.

    Attributes:
        name: Of the initializer.
        values: float32 (side, side).
    """

    name: str
    values: NDArray[np.float32]


def unread_matrices(path: Path, side: int) -> list[Matrix]:
    """Return the square floating-point matrices among a model's weights that nothing reads.

    Args:
        path: An .onnx file.
        side: Rows, and columns.

    Raises:
        ModelError: The file is not readable, or no ONNX model.
    """
    return _looked_into(path, lambda data: list(_matrices(data, side)))


def metadata_of(path: Path) -> dict[str, str]:
    """Return the metadata that an .onnx file carries, as far as it is text of sensible size.

    Raises:
        ModelError: The file is not readable, or no ONNX model.
    """
    return _looked_into(path, _metadata)


def _looked_into(path: Path, look: Callable[[mmap.mmap], T]) -> T:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return look(data)
    except (OSError, ValueError) as error:  # ValueError: mmap of an empty file
        raise ModelError(f"{path}: not a readable ONNX model: {error}") from error
    except Broken as error:
        raise ModelError(f"{path}: not an ONNX model, or truncated") from error


def _metadata(data: mmap.mmap) -> dict[str, str]:
    found: dict[str, str] = {}
    left = _MOST_METADATA
    for number, at, end in fields(data, 0, len(data)):
        if number != _METADATA:
            continue
        left -= end - at
        if left < 0:
            break
        entry = {key: data[a:b].decode("utf-8", "replace") for key, a, b in fields(data, at, end)}
        found[entry.get(1, "")] = entry.get(2, "")
    return found


def _graphs(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    return ((at, end) for number, at, end in fields(data, 0, len(data)) if number == _GRAPH)


def _matrices(data: mmap.mmap, side: int) -> Iterator[Matrix]:
    largest = 8 * side * side + _MOST_HEADER
    for start, stop in _graphs(data):
        read: set[bytes] = set()
        stored: list[tuple[int, int]] = []
        for number, at, end in fields(data, start, stop):
            if number == _NODE:
                _collect_read(data, at, end, read, 0)
            elif number == _OUTPUT:
                read.update(data[a:b] for key, a, b in fields(data, at, end) if key == 1)
            elif number == _INITIALIZER and 2 * side * side <= end - at <= largest:
                stored.append((at, end))
        found = 0
        for at, end in stored:
            matrix = _matrix(data, at, end, side, read)
            if matrix is not None and found < _MOST_MATRICES:
                found += 1
                yield matrix


def _collect_read(data: mmap.mmap, start: int, stop: int, read: set[bytes], depth: int) -> None:
    """Collect what a node reads, and what the nodes of its subgraphs do."""
    if depth > _MAX_DEPTH:
        raise Broken
    for number, at, end in fields(data, start, stop):
        if number == _NODE_INPUT:
            read.add(data[at:end])
        elif number == _NODE_ATTRIBUTE:
            for key, a, b in fields(data, at, end):
                if key in _SUBGRAPHS:
                    for inner, c, d in fields(data, a, b):
                        if inner == _NODE:
                            _collect_read(data, c, d, read, depth + 1)
                        elif inner == _OUTPUT:
                            read.update(data[e:f] for k, e, f in fields(data, c, d) if k == 1)


def _matrix(data: mmap.mmap, start: int, stop: int, side: int, read: set[bytes]) -> Matrix | None:
    """Return the tensor if it is such a matrix that nothing reads, and holds its numbers itself."""
    # Shape and type first: the numbers of all other weights are not touched.
    dims, kind = varints(data, start, stop, _DIMS), varints(data, start, stop, _TYPE)
    if dims != [side, side] or len(kind) != 1 or kind[0] not in _DTYPES:
        return None
    name = b""
    chunks: list[bytes] = []
    for number, at, end in fields(data, start, stop):
        if number == _NAME:
            name = data[at:end]
        elif number == _EXTERNAL:
            return None
        elif number in (_RAW, _FLOATS, _DOUBLES):
            chunks.append(data[at:end])
    values = b"".join(chunks)
    if name in read or len(values) != side * side * np.dtype(_DTYPES[kind[0]]).itemsize:
        return None
    matrix = np.frombuffer(values, _DTYPES[kind[0]]).reshape(side, side).astype(np.float32)
    return Matrix(name.decode("utf-8", "replace"), matrix)
