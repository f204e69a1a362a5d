"""The same .ort file for the same model: ONNX Runtime writes one table in a random order.

What maps operators to the types of their kernels is kept in a hash map, whose order differs from
one run to the next. It is the last thing but one that the engine writes, so it lies at the
beginning of the file (flat buffers are built back to front), and nothing behind it refers to it. It
is written anew, sorted, before the rest, which stays as it is.

Files for x86 still differ in some bytes: the blocked convolution layout (NCHWc) is noted in a
random order too. No target's bundle holds such a file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import flatbuffers

from quantize.errors import CheckError
from quantize.export.ort_operators import quiet

__all__ = ["in_order"]

_IDENTIFIER = b"ORTM"
_VERSION = 4  # of the root: where its vtable says where the version of the format is
_ALIGNMENT = 16  # of what the engine stores: tensors' bytes

_Args = tuple[tuple[int, int], ...]
_Kernels = tuple[tuple[bytes, tuple[tuple[bytes, _Args], ...]], ...]


def in_order(data: bytes) -> bytes:
    """Return an .ort file with that table sorted; what the file means is the same.

    Args:
        data: The file.

    Raises:
        CheckError: It is not laid out as ONNX Runtime lays out its files.
    """
    with quiet():
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import (
            InferenceSession,
        )
    session = InferenceSession.InferenceSession.GetRootAs(data, 0)
    resolver, model, version = (
        session.KernelTypeStrResolver(),
        session.Model(),
        session.OrtVersion(),
    )
    if resolver is None or model is None or version is None:
        raise CheckError("the ORT format file lacks a part that ONNX Runtime writes")
    begin = _first_byte(data, model._tab.Pos)
    if resolver._tab.Pos >= begin:
        raise CheckError("the ORT format file is laid out in another way than is known here")
    text = session._tab.Indirect(session._tab.Offset(_VERSION) + session._tab.Pos)
    if text < begin:
        raise CheckError("the ORT format file is laid out in another way than is known here")
    builder = _begun(data[begin:])
    kernels = _kernels(builder, _sorted(resolver))
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(0, len(data) - text, 0)
    builder.PrependUOffsetTRelativeSlot(1, len(data) - model._tab.Pos, 0)
    builder.PrependUOffsetTRelativeSlot(3, kernels, 0)
    builder.Finish(builder.EndObject(), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _first_byte(data: bytes, table: int) -> int:
    """Return where a table that was written last begins: its own vtable may lie before it."""
    (back,) = struct.unpack_from("<i", data, table)
    return min(table, table - int(back))


def _begun(tail: bytes) -> Any:
    """Return a builder that has written `tail` already; places are counted from the end."""
    builder = flatbuffers.Builder(len(tail) + (1 << 16))
    builder.minalign = _ALIGNMENT
    builder.head = len(builder.Bytes) - len(tail)
    builder.Bytes[builder.head :] = tail
    return builder


def _sorted(resolver: Any) -> _Kernels:
    found = []
    for number in range(resolver.OpKernelTypeStrArgsLength()):
        entry = resolver.OpKernelTypeStrArgs(number)
        each = (entry.KernelTypeStrArgs(place) for place in range(entry.KernelTypeStrArgsLength()))
        found.append((bytes(entry.OpId()), tuple(sorted(map(_types, each)))))
    return tuple(sorted(found))


def _types(entry: Any) -> tuple[bytes, _Args]:
    args = (entry.Args(place) for place in range(entry.ArgsLength()))
    return bytes(entry.KernelTypeStr()), tuple((arg.ArgType(), arg.Index()) for arg in args)


def _kernels(builder: Any, kernels: _Kernels) -> int:
    """Write the table; return its place."""

    def arg(pair: tuple[int, int]) -> int:
        builder.StartObject(2)
        builder.PrependUint32Slot(1, pair[1], 0)
        builder.PrependInt8Slot(0, pair[0], 0)
        return int(builder.EndObject())

    def type_(entry: tuple[bytes, _Args]) -> int:
        return _pair(builder, builder.CreateString(entry[0]), _vector(builder, arg, entry[1]))

    def operator(entry: tuple[bytes, tuple[tuple[bytes, _Args], ...]]) -> int:
        return _pair(builder, builder.CreateString(entry[0]), _vector(builder, type_, entry[1]))

    listed = _vector(builder, operator, kernels)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, listed, 0)
    return int(builder.EndObject())


def _pair(builder: Any, name: int, listed: int) -> int:
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(1, listed, 0)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    return int(builder.EndObject())


def _vector(builder: Any, write: Callable[[Any], int], items: Iterable[Any]) -> int:
    places = [write(item) for item in items]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
