from __future__ import annotations

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.consent.canonical import (
    FormError,
    canonical_bytes,
    parse_object,
    parse_utc,
    readable_json,
    utc_text,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def test_has_one_spelling() -> None:
    value = {"b": [1, True, None], "a": "é"}
    assert canonical_bytes(value) == '{"a":"é","b":[1,true,null]}'.encode()
    assert canonical_bytes({"a": "e\u0301"}) == canonical_bytes({"a": "\u00e9"})


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_reading_and_writing_again_changes_nothing(record: dict[str, object]) -> None:
    try:
        first = parse_object(readable_json(record))
    except FormError:  # two keys that are one in NFC
        return
    assert canonical_bytes(parse_object(canonical_bytes(first))) == canonical_bytes(record)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"a":1,"a":2}',
        b'{"a":1.5}',
        b'{"a":NaN}',
        b'{"a":1e3}',
        b"\xff",
        b'{"a":"\\ud800"}x',
        b'{"a":"\\ud800"}',
        b'{"a":["\\ude00\\ud83d"]}',
        b'{"\\udc00":1}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(FormError):
        parse_object(data)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(FormError):
        parse_object(data)


@pytest.mark.parametrize("value", [1.0, {1: 2}, {"a": b"x"}, "\ud800", {"a": {1, 2}}])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(FormError):
        canonical_bytes(value)


@given(st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)))
def test_times_survive(time: datetime.datetime) -> None:
    whole = time.replace(microsecond=0, tzinfo=datetime.timezone.utc)
    assert parse_utc(utc_text(whole)) == whole


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-31", "2026-1-31T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-31T00:00:00+01:00"],
)
def test_other_spellings_of_a_time_are_refused(text: str) -> None:
    with pytest.raises(FormError, match="UTC time"):
        parse_utc(text)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(FormError):
        utc_text(datetime.datetime(2026, 1, 1))
