"""The toolchain's error tree."""

from __future__ import annotations

import inspect

import pytest

from edge.errors import EdgeError
from quantize import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_one_of_edge_swap(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, EdgeError)
    assert issubclass(error, errors.QuantizeError)
    assert inspect.getdoc(error)


def test_all_is_sorted_and_complete_and_drawn() -> None:
    own = {
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and thing.__module__ == errors.__name__
    }
    assert errors.__all__ == sorted(own)
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in own)
