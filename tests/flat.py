"""Flatbuffers by hand, of any schema, for samples that no converter would write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np


@dataclass(frozen=True)
class Number:
    """A whole number of a width: "Int8", "Uint8", "Int32", "Uint32", "Int64", "Uint64"."""

    kind: str
    value: int


def written(root: Mapping[int, Any], identifier: bytes | None = None) -> bytes:
    """Return a flatbuffer.

    Args:
        root: Slots of the root table. A value is a `Number`, a text, bytes, an array, a table
            (a mapping), or a list of tables or texts.
        identifier: Four letters at the fifth byte.
    """
    builder = flatbuffers.Builder(256)
    builder.Finish(_table(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, slots: Mapping[int, Any]) -> int:
    offsets = {
        slot: _value(builder, value)
        for slot, value in slots.items()
        if not isinstance(value, Number)
    }
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, value in slots.items():
        if isinstance(value, Number):
            # A default that nothing is: every number is written.
            getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, value.value ^ 1)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return int(builder.EndObject())


def _value(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        return int(builder.CreateByteVector(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Mapping):
        return _table(builder, value)
    offsets = [_value(builder, each) for each in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
