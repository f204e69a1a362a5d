from __future__ import annotations

import contextlib
import random
import struct

import numpy as np
import pytest

from edge.backends._flatbuffer import Budget, Table, root_of
from edge.backends._onnx_file import Broken
from tests.flat import Number, written

GOOD = written(
    {
        0: Number("Int32", -7),
        1: "words",
        2: np.array([3, 1, 4], np.int32),
        3: [{0: Number("Uint8", 9)}, {}],
        5: ["a", "bc"],
        6: {0: Number("Int64", 1 << 40)},
    }
)


def read_all(data: bytes) -> tuple[object, ...]:
    root = root_of(data, 100)
    inner = root.table(6)
    return (
        root.number(0, "<i"),
        root.text(1),
        root.numbers(2, "i", 10),
        [each.number(0, "<B", 5) for each in root.tables(3)],
        root.has(4),
        list(root.texts(5)),
        inner.number(0, "<q") if inner is not None else None,
        root.table(7),
        root.span(8),
    )


def test_what_was_written_is_read() -> None:
    wanted = (-7, "words", (3, 1, 4), [9, 5], False, ["a", "bc"], 1 << 40, None, None)
    assert read_all(GOOD) == wanted


@pytest.mark.parametrize("cut", [0, 4, 8, 20, len(GOOD) // 2, len(GOOD) - 9])
def test_a_cut_file_is_broken(cut: int) -> None:
    with pytest.raises(Broken):
        read_all(GOOD[:cut])


def test_no_change_leads_out_of_the_file() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        data = bytearray(GOOD)
        for _ in range(chance.choice((1, 1, 4))):
            at = chance.randrange(len(data) - 4)
            value = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, at, 40))
            struct.pack_into("<I", data, at, value)
        with contextlib.suppress(Broken):
            read_all(bytes(data))


def test_a_vector_may_be_no_longer_than_asked_for() -> None:
    with pytest.raises(Broken):
        root_of(GOOD, 100).numbers(2, "i", 2)


def test_one_table_that_is_named_often_costs_what_it_may() -> None:
    data = written({0: [{} for _ in range(50)]})
    assert len(list(root_of(data, 51).tables(0))) == 50
    with pytest.raises(Broken):
        list(root_of(data, 50).tables(0))


def test_a_table_outside_the_file() -> None:
    with pytest.raises(Broken):
        Table(GOOD, len(GOOD) - 2, Budget(1))
    with pytest.raises(Broken):
        Table(GOOD, -40, Budget(1))
