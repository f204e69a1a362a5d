"""Weights that lie beside a model, in files of its own folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from onnx import numpy_helper

from quantize.errors import GraphError
from quantize.passes._infra.shapes import LARGE, tensor_bytes

__all__ = ["LARGE", "load_weights", "raw_values", "without_weights"]

_FARTHEST = 2**63 - 1  # bytes from a file's beginning that can be asked for


def load_weights(tensors: Iterable[onnx.TensorProto], folder: Path) -> list[Path]:
    """Read the weights that lie in other files into their tensors.

    Args:
        tensors: all that a model stores.
        folder: the model's own, without symbolic links.

    Returns:
        The files that were read, sorted by name.

    Raises:
        GraphError: a file is missing, too short, or outside the folder.
    """
    files: set[Path] = set()
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            files.add(_read_external(tensor, folder))
    return sorted(files)


def _read_external(tensor: onnx.TensorProto, folder: Path) -> Path:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = f"weight {tensor.name!r}"
    file = _inside(folder, entries.get("location", ""), name)
    want = tensor_bytes(tensor)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", want))
    except ValueError as error:
        raise GraphError(f"{name} has a place in {file.name} that is no number") from error
    if length != want or not 0 <= offset <= _FARTHEST:
        raise GraphError(f"{name} has {want} bytes, but asks {file.name} for {length} at {offset}")
    try:
        with file.open("rb") as data:
            data.seek(offset)
            values = data.read(length)
    except FileNotFoundError as error:
        raise GraphError(
            f"its weights are missing: there is no file {file.name} in {folder}"
        ) from error
    except OSError as error:
        raise GraphError(f"its weights in {file.name} cannot be read: {error.strerror}") from error
    if len(values) != length:
        raise GraphError(f"its weights are truncated: {file.name} ends within {name}")
    tensor.raw_data = values
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    return file


def _inside(folder: Path, location: str, name: str) -> Path:
    """Return the file that holds a weight; refuse anything but a plain file of the folder."""
    outside = f"{name} lies outside the model's folder ({location!r}), which is refused"
    relative = Path(location)
    if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts:
        raise GraphError(outside)
    file = folder / relative
    if not file.resolve().is_relative_to(folder):  # by way of a symbolic link
        raise GraphError(outside)
    if file.exists() and not file.is_file():
        raise GraphError(f"{name} lies in {location!r}, which is no plain file")
    return file


def raw_values(tensor: onnx.TensorProto) -> bytes:
    """Return a tensor's values as they are stored raw: little-endian, row by row."""
    if tensor.HasField("raw_data"):
        return bytes(tensor.raw_data)
    return numpy_helper.to_array(tensor).tobytes()


def without_weights(model: onnx.ModelProto, location: str) -> onnx.ModelProto:
    """Return a copy whose large weights are notes of where they lie in another file.

    Args:
        model: stays as it is; its large weights are never copied.
        location: name of that file, which holds the weights of more than `LARGE` bytes one after
            the other, in the order of the initializers.
    """
    stub = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name == "graph":
            continue
        _copy_field(stub, field.name, value)
    for field, value in model.graph.ListFields():
        if field.name != "initializer":
            _copy_field(stub.graph, field.name, value)
    offset = 0
    for tensor in model.graph.initializer:
        new = stub.graph.initializer.add()
        size = tensor_bytes(tensor)
        if size <= LARGE:
            new.CopyFrom(tensor)
            continue
        new.name, new.data_type = tensor.name, tensor.data_type
        new.dims.extend(tensor.dims)
        new.data_location = onnx.TensorProto.EXTERNAL
        place: Mapping[str, object] = {"location": location, "offset": offset, "length": size}
        for key, value in place.items():
            new.external_data.add(key=key, value=str(value))
        offset += size
    return stub


def _copy_field(into: object, name: str, value: object) -> None:
    """Copy one field of a message, whatever its kind."""
    current = getattr(into, name)
    if hasattr(current, "MergeFrom"):
        current.MergeFrom(value)
    else:
        setattr(into, name, value)
