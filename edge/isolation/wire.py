"""Records over a pipe: JSON in, the very dataclass out, and nothing else.

What comes from a child that looked at a hostile file is as untrusted as the file, so it is no
pickle: it is checked against the types of the record's fields.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_PLAIN = (str, int, float, bool, type(None))
_MOST_DEPTH = 64


class WireError(Exception):
    """What came is not what was asked for."""


def packed(value: object) -> Any:
    """Return a record as what JSON can hold; tuples become lists.

    Raises:
        WireError: Something in it is neither record, list, mapping by text, text nor number.
    """
    if isinstance(value, _PLAIN):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: packed(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (tuple, list)):
        return [packed(each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: packed(each) for key, each in value.items()}
    raise WireError(f"{type(value).__name__} cannot be sent")


def unpacked(kind: type[T], value: object, names: Mapping[str, object] | None = None) -> T:
    """Return the record of a class that a JSON object stands for.

    Args:
        kind: A dataclass; its fields may be plain, dataclasses, tuples, mappings, unions, literals.
        value: What `json.loads` gave.
        names: Types that the record's module names for the type checker alone.

    Raises:
        WireError: It is not of that form.
    """
    return cast(T, _of(kind, value, names or {}, 0))


Names = Mapping[str, object]


def _of(kind: Any, value: object, names: Names, depth: int) -> object:
    if depth > _MOST_DEPTH:
        raise WireError("nested too deeply")
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _record(cast(type, kind), value, names, depth)
    if origin is Literal:
        if any(value == each and type(value) is type(each) for each in inside):
            return value
    elif origin in (Union, types.UnionType):
        return _one_of(inside, value, names, depth)
    elif origin is tuple:
        if isinstance(value, list):
            return _sequence(inside, value, names, depth)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, dict):
            return {key: _of(inside[1], each, names, depth + 1) for key, each in value.items()}
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif kind in _PLAIN and type(value) is kind:
        return value
    raise WireError(f"{type(value).__name__} where {kind} is due")


def _sequence(
    inside: tuple[Any, ...], value: list[object], names: Names, depth: int
) -> tuple[object, ...]:
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(_of(inside[0], each, names, depth + 1) for each in value)
    if len(inside) != len(value):
        raise WireError(f"{len(value)} where {len(inside)} are due")
    pairs = zip(inside, value, strict=True)
    return tuple(_of(kind, each, names, depth + 1) for kind, each in pairs)


def _one_of(kinds: tuple[Any, ...], value: object, names: Names, depth: int) -> object:
    for kind in kinds:
        try:
            return _of(kind, value, names, depth)
        except WireError:
            continue
    raise WireError(f"{type(value).__name__} where one of {kinds} is due")


def _record(kind: type, value: object, names: Names, depth: int) -> object:
    hints = get_type_hints(kind, {**vars(sys.modules[kind.__module__]), **names})
    if not isinstance(value, dict) or set(value) != set(hints):
        raise WireError(f"no {kind.__name__}")
    return kind(**{name: _of(hint, value[name], names, depth + 1) for name, hint in hints.items()})
