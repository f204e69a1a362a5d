"""Model files: read with suspicion, written whole or not at all.

A model is untrusted input. Its weights may lie in other files, but only in the model's own folder
and under no other name than their own; what the toolchain cannot look into is refused by name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import numpy_helper

from edge.backends._onnx_file import check_onnx_file
from edge.consent.storage import sync_folder
from edge.errors import ModelError
from edge.publish import writing_failed
from quantize.errors import GraphError, ModelFileError
from quantize.external_data import load_weights, raw_values, without_weights
from quantize.passes._infra.model import STANDARD_DOMAINS, opset_of, refuse_nesting
from quantize.passes._infra.shapes import LARGE, check_model, model_bytes, tensor_bytes

__all__ = [
    "LARGEST_FILE",
    "ModelFile",
    "digest_of",
    "load_model",
    "name_nodes",
    "save_model",
    "write_file",
]

LARGEST_FILE = 1_900_000_000
"""Bytes from which weights go into a file of their own: protocol buffers end at 2 GB."""

_CHUNK = 1 << 20
_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
)
_PACKED = frozenset(  # types of which several values share a byte, or that have no fixed size
    getattr(onnx.TensorProto, name)
    for name in ("STRING", "UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2")
    if hasattr(onnx.TensorProto, name)
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model and the file that it came from.

    Attributes:
        path: the file, as the user named it.
        model: all of it, weights of other files included.
        size: bytes of the file and of those that hold its weights.
        sha256: hex digest of the file and then of those, by name; of a model in one piece that is
            the file's own digest, as its card states it.
    """

    path: Path
    model: onnx.ModelProto
    size: int
    sha256: str


def load_model(path: Path) -> ModelFile:
    """Read a model and check that it is one that the toolchain can work on.

    Args:
        path: an .onnx file; its weights may lie in files of the same folder.

    Returns:
        The model with all of its weights.

    Raises:
        ModelFileError: no such file, unreadable, not ONNX, truncated, of an opset that is too old
            or too new, with weights that are missing, outside the folder or no numbers, with
            custom operators or subgraphs, or empty. The message names the file and the place.
    """
    _refuse_no_file(path)
    try:
        check_onnx_file(path)
    except ModelError as error:
        raise ModelFileError(str(error)) from error
    model = onnx.ModelProto()
    try:
        data = path.read_bytes()
        digest, size = hashlib.sha256(data), len(data)
        model.ParseFromString(data)
        del data  # as large as the model: free it before weights are read
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ModelFileError(f"{path}: not an ONNX model, or truncated") from error
    try:
        _check_graph(model)
        for file in load_weights(_tensors(model), path.resolve().parent):
            size += file.stat().st_size
            _feed(digest, file)
        _check_weights(_tensors(model))
        check_model(model)
    except GraphError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return ModelFile(path, model, size, digest.hexdigest())


def _refuse_no_file(path: Path) -> None:
    if path.is_dir():
        raise ModelFileError(f"{path}: is a folder; name the .onnx file in it")
    if not path.exists():
        raise ModelFileError(f"{path}: no such file; check the path")
    if not path.is_file():  # a pipe would keep us waiting, a device has no end
        raise ModelFileError(f"{path}: is no plain file")
    if not os.access(path, os.R_OK):
        raise ModelFileError(f"{path}: cannot be read: permission denied")


def digest_of(files: Iterable[Path]) -> str:
    """Return the hex SHA-256 of a model in several files, as `ModelFile` states it.

    Args:
        files: the model first, then its weights; those that do not exist are left out.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        if file.exists():
            _feed(digest, file)
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)


def _check_graph(model: onnx.ModelProto) -> None:
    """Refuse what no pass can look into, before anything is done with it."""
    graph = model.graph
    for what, rows in (("nodes", graph.node), ("inputs", graph.input), ("outputs", graph.output)):
        if not rows:
            raise GraphError(f"the graph has no {what}: nothing to convert")
    _check_texts(model)
    opset_of(model)
    refuse_nesting(model)
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise GraphError(f"weight {name!r} is stored sparse: export the model with dense weights")
    for node in graph.node:
        _check_operator(node)


def _check_texts(model: onnx.ModelProto) -> None:
    """Refuse texts that are none: protocol buffers hand them out as bytes, which no pass takes."""
    for text in _texts(model):
        if isinstance(text, bytes):
            raise GraphError(f"{text[:40]!r} stands where a name belongs: export the model again")


def _texts(message: Message) -> Iterator[str | bytes]:
    """Yield every text in a message but those beside a weight's values, which would be copied."""
    if isinstance(message, onnx.TensorProto):
        yield message.name
        return
    for field, value in message.ListFields():
        values = [value] if isinstance(value, (str, bytes, Message)) else value
        if field.type == field.TYPE_STRING:
            yield from values
        elif field.type == field.TYPE_MESSAGE:
            for inner in values:
                yield from _texts(inner)


def _check_operator(node: onnx.NodeProto) -> None:
    where = f"node {node.name or (node.output[0] if node.output else '?')!r}"
    if node.domain not in STANDARD_DOMAINS:
        raise GraphError(
            f"{where} is the custom operator {node.domain}.{node.op_type}: export the model with "
            "standard ONNX operators alone"
        )
    if not onnx.defs.has(node.op_type):
        raise GraphError(f"{where} is of the operator {node.op_type}, which ONNX does not have")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every stored tensor: the weights, and those in attributes of nodes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for entry in node.attribute:
            if entry.HasField("t"):
                yield entry.t
            yield from entry.tensors


def _check_weights(tensors: Iterable[onnx.TensorProto]) -> None:
    for tensor in tensors:
        name = tensor.name or "a constant"
        if tensor.data_type == onnx.TensorProto.UNDEFINED:
            raise GraphError(f"weight {name!r} has no type")
        if tensor.data_type not in onnx.TensorProto.DataType.values():
            raise GraphError(f"weight {name!r} is of type {tensor.data_type}, which there is not")
        if any(int(size) < 0 for size in tensor.dims):
            raise GraphError(f"weight {name!r} has a negative size")
        if tensor.data_type in _PACKED:
            continue
        if tensor.HasField("raw_data") and len(tensor.raw_data) != tensor_bytes(tensor):
            raise GraphError(f"weight {name!r} holds fewer or more values than its shape says")
        if tensor.data_type in _FLOATS:
            _check_numbers(tensor, name)


def _check_numbers(tensor: onnx.TensorProto, name: str) -> None:
    try:
        values = numpy_helper.to_array(tensor)
    except ValueError as error:
        raise GraphError(f"weight {name!r} does not hold what its shape says") from error
    # A sum is finite where all are, and makes no copy; only when it is not, look at each.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    broken = int(np.count_nonzero(np.isnan(values)))
    if broken:
        raise GraphError(f"weight {name!r} holds {broken} values that are no numbers (NaN)")
    # One infinite number is how exporters write an open end of Clip.
    if values.size > 1 and not np.all(np.isfinite(values)):
        raise GraphError(f"weight {name!r} holds infinite values")


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, in place; names that are unique already stay.

    Float layers and recipes refer to nodes by name. The new names come from what a node makes, so
    that the same model gets the same names however its nodes are sorted.
    """
    taken: set[str] = set()
    nameless = []
    for node in model.graph.node:
        if node.name and node.name not in taken:
            taken.add(node.name)
        else:
            nameless.append(node)
    for node in nameless:
        base = f"{node.op_type}_{next((name for name in node.output if name), 'nothing')}"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        node.name = name
        taken.add(name)


def save_model(model: onnx.ModelProto, path: Path, *, largest: int = LARGEST_FILE) -> int:
    """Write a model: complete, or not there at all.

    Args:
        model: what to write; it stays as it is.
        path: the file; replaced when it exists, so check before. Its folder must exist.
        largest: bytes above which the weights go into `<name>.data` beside it.

    Returns:
        Bytes written, all files together.

    Raises:
        OutputError: the disk is full, or the folder may not be written to.
    """
    if model_bytes(model) <= largest:
        return _write_whole(path, [model.SerializeToString()])
    weights = path.with_name(f"{path.name}.data")
    stub = without_weights(model, weights.name)
    large = (tensor for tensor in model.graph.initializer if tensor_bytes(tensor) > LARGE)
    size = _write_whole(weights, (raw_values(tensor) for tensor in large))
    try:
        # The model comes second: its name says that all of it is there.
        return size + _write_whole(path, [stub.SerializeToString()])
    except BaseException:
        weights.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes) -> int:
    """Write a file: complete, or not there at all.

    Returns:
        Bytes written.

    Raises:
        OutputError: the disk is full, or the folder may not be written to.
    """
    return _write_whole(path, [data])


def write_from(source: Path, path: Path) -> int:
    """Copy a file to its place: complete, or not there at all.

    Returns:
        Bytes written.

    Raises:
        OutputError: the disk is full, or the folder may not be written to.
    """
    with source.open("rb") as file:
        return _write_whole(path, iter(lambda: file.read(1 << 20), b""))


def _write_whole(path: Path, parts: Iterable[bytes]) -> int:
    """Write a file beside its name, sync it, and rename it."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            for data in parts:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return size
