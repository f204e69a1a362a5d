from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.consent.canonical import FormError
from edge.consent.fields import MAX_TEXT, Fields


@pytest.mark.parametrize(
    ("record", "read", "message"),
    [
        ({}, lambda f: f.text("a"), "'x.a' is missing"),
        ({"a": 1}, lambda f: f.text("a"), "not text"),
        ({"a": " "}, lambda f: f.text("a"), "empty"),
        ({"a": "x" * (MAX_TEXT + 1)}, lambda f: f.text("a"), "longer"),
        ({"a": "x\u202ey"}, lambda f: f.text("a"), "cannot be printed"),
        ({"a": "\x1b[2J"}, lambda f: f.text("a"), "cannot be printed"),
        ({"a": "z"}, lambda f: f.choice("a", ("b", "c")), "not one of b, c"),
        ({"a": "AB"}, lambda f: f.hex("a", 2), "lower-case hex"),
        ({"a": "abc"}, lambda f: f.hex("a", 2), "lower-case hex"),
        ({"a": 3}, lambda f: f.hex("a", 2), "lower-case hex"),
        ({"a": 1}, lambda f: f.flag("a"), "neither true nor false"),
        ({"a": True}, lambda f: f.number("a"), "whole number"),
        ({"a": "today"}, lambda f: f.time("a"), "UTC time"),
        ({"a": "b"}, lambda f: f.texts("a"), "not a list"),
        ({"a": [1]}, lambda f: f.texts("a"), "not text"),
        ({"a": ["b", "b"]}, lambda f: f.texts("a"), "twice"),
        ({"a": []}, lambda f: f.record("a"), "not an object"),
        ({"a": 1}, lambda f: f.done(), "'x.a' is not a known field"),
    ],
)
def test_a_wrong_field_is_named(
    record: dict[str, object], read: Callable[[Fields], object], message: str
) -> None:
    with pytest.raises(FormError, match=message):
        read(Fields(record, "x"))


def test_fields_are_taken_once() -> None:
    fields = Fields({"a": "b", "n": 3, "f": False, "o": {"p": "q"}, "t": ["u", "v"]})
    assert fields.has("a")
    assert (fields.text("a"), fields.number("n"), fields.flag("f")) == ("b", 3, False)
    assert fields.record("o").text("p") == "q"
    assert fields.texts("t") == ("u", "v")
    assert not fields.has("a")
    fields.done()
