"""Read flatbuffers with suspicion: every offset, size and count is held against the file.

Engines read .tflite, .ort and .mnn files in place, and believe the offsets in them. What is walked
here first is what they walk to build a graph; a broken one is refused before an engine sees it.

The layout is https://flatbuffers.dev/internals/: a table begins with the distance back to its
vtable, which says how far from the table's begin each field lies; a field that is no number holds
the distance to what it means, which only ever lies behind it, so that no walk goes in circles.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator

from edge.backends._onnx_file import Broken

Data = mmap.mmap | bytes

_VTABLE = 4  # bytes of a vtable before its first field: its own size, and the table's


class Budget:
    """How many tables may be looked at: one that is named a million times costs a million looks.

    Args:
        tables: So many.
    """

    def __init__(self, tables: int) -> None:
        self._left = tables

    def take(self) -> None:
        """Count one table.

        Raises:
            Broken: There were too many.
        """
        self._left -= 1
        if self._left < 0:
            raise Broken


class Table:
    """One table of a flatbuffer.

    Args:
        data: The whole file.
        at: Where the table begins.
        budget: Of the whole walk.
    """

    __slots__ = ("_at", "_budget", "_data", "_size", "_vsize", "_vtable")

    def __init__(self, data: Data, at: int, budget: Budget) -> None:
        """Look at the table's head.

        Raises:
            Broken: It does not lie inside the file.
        """
        budget.take()
        self._data, self._at, self._budget = data, at, budget
        self._vtable = at - self._read("<i", at)
        self._vsize = self._read("<H", self._vtable)
        self._size = self._read("<H", self._vtable + 2)
        if self._vsize < _VTABLE or self._vsize % 2 or self._size < 4:
            raise Broken
        if self._vtable + self._vsize > len(data) or at + self._size > len(data):
            raise Broken

    def _read(self, form: str, at: int) -> int:
        width = struct.calcsize(form)
        if at < 0 or at + width > len(self._data):
            raise Broken
        return int(struct.unpack_from(form, self._data, at)[0])

    def _place(self, slot: int, width: int) -> int | None:
        """Return where a field lies, or None where the table has none."""
        entry = _VTABLE + 2 * slot
        if entry + 2 > self._vsize:
            return None
        offset = self._read("<H", self._vtable + entry)
        if offset and (offset < 4 or offset + width > self._size):
            raise Broken
        return self._at + offset if offset else None

    def has(self, slot: int) -> bool:
        """Return whether the table has a field."""
        return self._place(slot, 1) is not None

    def number(self, slot: int, form: str, default: int = 0) -> int:
        """Return a whole number.

        Args:
            slot: Place of the field in the schema's table.
            form: Of the number, as `struct` has it.
            default: The schema's, where the file leaves it out.
        """
        place = self._place(slot, struct.calcsize(form))
        return default if place is None else self._read(form, place)

    def _target(self, slot: int) -> int | None:
        place = self._place(slot, 4)
        if place is None:
            return None
        distance = self._read("<I", place)
        if distance < 4:
            raise Broken
        return place + distance

    def table(self, slot: int) -> Table | None:
        """Return the table that a field means, if there is one."""
        at = self._target(slot)
        return None if at is None else Table(self._data, at, self._budget)

    def span(self, slot: int, width: int = 1) -> tuple[int, int] | None:
        """Return begin and length in items of a vector of plain things.

        Args:
            slot: Place of the field.
            width: Bytes of one item.
        """
        at = self._target(slot)
        if at is None:
            return None
        count = self._read("<I", at)
        if at + 4 + count * width > len(self._data):
            raise Broken
        return at + 4, count

    def numbers(self, slot: int, letter: str, most: int) -> tuple[int, ...]:
        """Return a vector of whole numbers.

        Args:
            slot: Place of the field.
            letter: Of one number, as `struct` has it.
            most: As many as are read; more is `Broken`.
        """
        found = self.span(slot, struct.calcsize(f"<{letter}"))
        if found is None:
            return ()
        at, count = found
        if count > most:
            raise Broken
        return struct.unpack_from(f"<{count}{letter}", self._data, at)

    def count(self, slot: int) -> int:
        """Return how many items a vector of tables or texts has."""
        found = self.span(slot, 4)
        return 0 if found is None else found[1]

    def _each(self, slot: int) -> Iterator[int]:
        """Yield where each item of a vector of offsets lies."""
        at, count = self.span(slot, 4) or (0, 0)
        for place in range(at, at + 4 * count, 4):
            distance = self._read("<I", place)
            if distance < 4:
                raise Broken
            yield place + distance

    def tables(self, slot: int) -> Iterator[Table]:
        """Yield the tables of a vector."""
        for at in self._each(slot):
            yield Table(self._data, at, self._budget)

    def text(self, slot: int) -> str:
        """Return the first 200 bytes of a text; empty where there is none."""
        found = self.span(slot)
        return "" if found is None else self._words(*found)

    def texts(self, slot: int) -> Iterator[str]:
        """Yield the texts of a vector."""
        for at in self._each(slot):
            self._budget.take()
            size = self._read("<I", at)
            if at + 4 + size > len(self._data):
                raise Broken
            yield self._words(at + 4, size)

    def _words(self, at: int, size: int) -> str:
        return bytes(self._data[at : at + min(size, 200)]).decode("utf-8", "replace")


def root_of(data: Data, tables: int) -> Table:
    """Return the table that a flatbuffer begins with.

    Args:
        data: The whole file.
        tables: How many may be looked at.

    Raises:
        Broken: It does not lie inside the file.
    """
    if len(data) < 8:
        raise Broken
    return Table(data, int(struct.unpack_from("<I", data, 0)[0]), Budget(tables))
