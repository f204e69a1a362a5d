from __future__ import annotations

from typing import Any

import pytest

from edge.errors import CardError, PolicyError
from edge.tables import Table


def _table(**values: Any) -> Table:
    return Table("policy policy.toml", values, PolicyError)


def test_values_of_the_right_kind_come_back() -> None:
    table = _table(a="text", b=3, c=0.5, d=True, e=[1.0, 2], f=[4], g={"h": "deep"})
    assert table.text("a") == "text"
    assert table.choice("a", ("text", "other")) == "text"
    assert table.whole("b") == 3
    assert table.number("b") == 3.0
    assert table.share("c") == 0.5
    assert table.switch("d") is True
    assert table.numbers("e", 2) == (1.0, 2.0)
    assert table.wholes("f", low=1) == (4,)
    assert table.table("g").text("h") == "deep"
    table.end()


def test_defaults_stand_in_for_absent_keys_only() -> None:
    table = _table(a=7)
    assert table.text("missing", default="") == ""
    assert table.whole("other", default=5) == 5
    with pytest.raises(PolicyError, match="'a' must be text, not 7"):
        table.text("a", default="")


def test_the_message_names_file_and_table() -> None:
    inner = Table("card x.toml", {"crop": {"size": "big"}}, CardError).table("crop")
    with pytest.raises(CardError, match=r"^card x\.toml: \[crop\] 'size' must be a whole number"):
        inner.whole("size")


def test_a_whole_number_has_its_bounds() -> None:
    assert _table(a=7).whole("a", low=7, high=7) == 7
    with pytest.raises(PolicyError, match="'a' must be a whole number of at least 8, not 7"):
        _table(a=7).whole("a", low=8, high=9)
    with pytest.raises(PolicyError, match="'a' must be a whole number of at most 6, not 7"):
        _table(a=7).whole("a", high=6)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "1", 10**400])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(PolicyError, match="'a' "):
        _table(a=value).number("a")


def test_what_nobody_asked_for_is_unknown() -> None:
    table = _table(a=1, b=2)
    table.whole("a")
    with pytest.raises(PolicyError, match="unknown key 'b'; known here: a"):
        table.end()


def test_lists_of_texts() -> None:
    table = _table(a=["one", "two"], b=[])
    assert table.texts("a") == ("one", "two")
    assert table.texts("b") == ()
    assert table.texts("c", default=("x",)) == ("x",)
    table.end()


@pytest.mark.parametrize("value", ["one", [1], ["one", " "], None])
def test_what_is_no_list_of_texts(value: Any) -> None:
    with pytest.raises(PolicyError, match="'a' "):
        _table(a=value).texts("a")


def test_a_key_that_was_asked_about_counts_as_known() -> None:
    table = _table(a=0)
    assert table.has("a")
    assert not table.has("b")
    table.end()
    other = _table(a=0)
    assert not other.has("b")
    with pytest.raises(PolicyError, match="unknown key 'a'; known here: b"):
        other.end()


def test_lists_of_tables() -> None:
    table = _table(a=[{"b": 1}, {"b": 2}])
    assert [each.whole("b") for each in table.tables("a")] == [1, 2]
    assert table.tables("c", default=()) == ()
    table.end()
    with pytest.raises(PolicyError, match=r"\[a 2\] 'c' is missing"):
        _table(a=[{"c": 1}, {"b": 2}]).tables("a")[1].whole("c")
    for value in (None, 1, [1], {"b": 1}):
        with pytest.raises(PolicyError, match="'a' "):
            _table(a=value).tables("a")
