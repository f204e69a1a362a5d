from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.export.tflite.layout import (
    alike,
    completed,
    natural,
    plain,
    reshaped,
    stored_shape,
    telling,
    transposition,
    without,
)


@pytest.mark.parametrize(
    ("rank", "order"), [(0, ()), (2, (0, 1)), (4, (0, 2, 3, 1)), (5, (0, 1, 2, 3, 4))]
)
def test_only_pictures_are_stored_with_channels_last(rank: int, order: tuple[int, ...]) -> None:
    assert natural(rank) == order
    assert plain(rank) == tuple(range(rank))


def test_axes_of_one_element_do_not_matter() -> None:
    assert stored_shape((1, 3, 4, 5), (0, 2, 3, 1)) == (1, 4, 5, 3)
    assert telling((1, 7, 1, 1), (0, 2, 3, 1)) == (1,)
    assert alike((1, 7, 1, 1), (0, 2, 3, 1), (0, 1, 2, 3))
    assert not alike((1, 7, 2, 1), (0, 2, 3, 1), (0, 1, 2, 3))


def test_an_axis_can_be_taken_out() -> None:
    assert without((0, 2, 3, 1), [2, 3]) == (0, 1)
    assert without((0, 2, 3, 1), [1]) == (0, 1, 2)
    assert without((0, 2, 3, 1), [0]) == (1, 2, 0)


SIZES = st.lists(st.sampled_from([1, 1, 2, 3, 4]), min_size=1, max_size=5).map(tuple)


@st.composite
def stored(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape = draw(SIZES)
    return shape, tuple(draw(st.permutations(range(len(shape)))))


@given(stored(), st.data())
def test_a_transposition_leads_from_one_order_to_another(
    value: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    shape, now = value
    wanted = tuple(data.draw(st.permutations(range(len(shape)))))
    array = np.arange(math.prod(shape)).reshape(shape)
    turned = array.transpose(now).transpose(transposition(now, wanted))
    np.testing.assert_array_equal(turned, array.transpose(wanted))


@given(stored())
def test_orders_that_are_completed_keep_what_tells(
    value: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    shape, order = value
    found = completed(shape, telling(shape, order))
    assert sorted(found) == list(range(len(shape)))
    assert alike(shape, found, order)


@st.composite
def regrouped(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes with as many elements: factors, grouped in two ways."""
    factors = draw(st.lists(st.sampled_from([2, 3]), min_size=0, max_size=5))

    def group() -> tuple[int, ...]:
        cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=3)))
        ends = [0, *cuts, len(factors)]
        return tuple(math.prod(factors[a:b]) for a, b in itertools.pairwise(ends))

    return group(), group()


@given(regrouped(), st.data())
def test_reshaping_in_memory_is_reshaping(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    old, new = shapes
    now = tuple(data.draw(st.permutations(range(len(old)))))
    before, after = reshaped(old, now, new)
    array = np.arange(math.prod(old)).reshape(old)
    memory = array.transpose(before).reshape(stored_shape(new, after))
    np.testing.assert_array_equal(memory, array.reshape(new).transpose(after))


@pytest.mark.parametrize(
    ("old", "order", "new"),
    [
        ((1, 8, 5, 7), (0, 2, 3, 1), (1, 8, 35)),  # rows and columns lie together
        ((1, 8, 5, 7), (0, 2, 3, 1), (1, 2, 4, 5, 7)),  # channels are split
        ((1, 8, 1, 1), (0, 2, 3, 1), (1, 8)),
        ((1, 8), (0, 1), (1, 8, 1, 1)),
    ],
)
def test_what_lies_together_is_not_moved(
    old: tuple[int, ...], order: tuple[int, ...], new: tuple[int, ...]
) -> None:
    before, _ = reshaped(old, order, new)
    assert alike(old, before, order)


def test_a_flattened_picture_has_to_be_moved() -> None:
    before, after = reshaped((1, 8, 5, 7), (0, 2, 3, 1), (1, 280))
    assert not alike((1, 8, 5, 7), before, (0, 2, 3, 1))
    assert after == (0, 1)


def test_a_vector_becomes_a_picture_with_channels_last() -> None:
    before, after = reshaped((1, 24), (0, 1), (1, 6, 2, 2))
    assert (before, after) == ((0, 1), (0, 1, 2, 3))
