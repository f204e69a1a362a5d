"""A look into an ONNX file before an engine opens it, without the onnx package.

A model is untrusted input. ONNX lets a weight live in another file, named by a path; older engines
open whatever that path says. This module walks the protobuf far enough to find those names, and
notices on the way that a file is truncated or no ONNX model at all.
"""

from __future__ import annotations

import mmap
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import ModelError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Message -> {field number: message inside}, from onnx.proto3 (IR version 10): every way from a
# model to a tensor.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_GRAPH_FIELD = 7
_MAX_DEPTH = 64  # nested subgraphs of a real model stay below ten messages


class Broken(Exception):
    """The bytes are no protobuf message."""


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Broken


def varints(data: mmap.mmap, at: int, end: int, wanted: int) -> list[int]:
    """Return the whole numbers of one field of a message, packed or not.

    Args:
        data: The file.
        at: Where the message begins.
        end: Where it ends.
        wanted: The field's number.

    Raises:
        Broken: The bytes are no message.
    """
    found: list[int] = []
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            if number == wanted:
                found.append(value)
        elif wire == _BYTES:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise Broken
            stop = at + length
            while number == wanted and at < stop:
                value, at = _varint(data, at, stop)
                found.append(value)
            at = stop
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise Broken
    return found


def fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) of each length-delimited field; skip the others.

    Raises:
        Broken: The bytes are no message.
    """
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Broken
        if wire == _BYTES:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise Broken
            yield number, at, at + length
            at += length
        elif wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
            if at > end:
                raise Broken
        else:
            raise Broken


def _locations(data: mmap.mmap) -> tuple[list[str], bool]:
    """Return the paths of all external tensors, and whether the file holds a graph."""
    found: list[str] = []
    has_graph = False
    todo = [("model", 0, len(data), 0)]
    while todo:
        message, start, stop, depth = todo.pop()
        if depth > _MAX_DEPTH:
            raise Broken
        children = _CHILDREN[message]
        for number, at, end in fields(data, start, stop):
            child = children.get(number)
            if child == "external":
                entry = {key: data[a:b] for key, a, b in fields(data, at, end)}
                if entry.get(1) == b"location":
                    found.append(entry.get(2, b"").decode("utf-8", "replace"))
            elif child is not None:
                has_graph = has_graph or (message == "model" and number == _GRAPH_FIELD)
                todo.append((child, at, end, depth + 1))
    return found, has_graph


def check_onnx_file(path: Path) -> None:
    """Check that a file is a whole ONNX model, in its folder, that asks for no more than it may.

    Args:
        path: The file.

    Raises:
        ModelError: Not readable, truncated, no ONNX model, over one of this device's limits, with
            operators that no engine has built in, or a weight of it lies outside the model's
            folder.
        PolicyError: The device's limits cannot be read.
    """
    from edge.backends._onnx_limits import Refused, check_limits  # it stands on this module
    from edge.limits import device_limits

    limits = device_limits().model
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            locations, has_graph = _locations(data)
            size = len(data)
            check_limits(data, limits)
    except (OSError, ValueError) as error:  # ValueError: mmap of an empty file
        raise ModelError(f"{path}: not a readable ONNX model: {error}") from error
    except Broken as error:
        raise ModelError(f"{path}: not an ONNX model, or truncated") from error
    except Refused as error:
        raise ModelError(f"{path}: refused: {error}") from error
    if not has_graph:
        raise ModelError(f"{path}: not an ONNX model: it holds no graph")
    folder = path.resolve().parent
    for location in dict.fromkeys(locations):
        size += _outside_size(path, folder, location)
    if size > limits.max_bytes:
        raise ModelError(
            f"{path}: refused: it has {size / 2**20:.4g} MiB with its weights: at most "
            f"{limits.max_bytes / 2**20:.4g} MiB"
        )


def _outside_size(path: Path, folder: Path, location: str) -> int:
    """Return the size of a file with weights, which must be a plain one of the model's folder."""
    try:
        file = folder / location
        relative = Path(location)
        wrong = not location or relative.is_absolute() or ".." in relative.parts
        inside = not wrong and file.resolve().is_relative_to(folder)
        state = file.stat() if inside and file.exists() else None
    except (OSError, ValueError):
        inside, state = False, None
    if not inside:
        raise ModelError(
            f"{path}: refused: it asks for weights outside its own folder ({location!r})"
        )
    if state is None:
        return 0  # the engine says that it is missing
    if not stat.S_ISREG(state.st_mode):
        raise ModelError(f"{path}: refused: its weights {location!r} are no plain file")
    if state.st_nlink > 1:
        # The same bytes under a second name: a file of somebody else's, put here by an archive.
        raise ModelError(
            f"{path}: refused: its weights {location!r} have a second name (a hard link): copy them"
        )
    return state.st_size
