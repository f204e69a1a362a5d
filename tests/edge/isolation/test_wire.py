from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.isolation.wire import WireError, packed, unpacked
from edge.provenance.verdict import Agreement, Claims, Signer, SigningTime, Verdict


@dataclass(frozen=True)
class Inner:
    text: str
    many: tuple[int, ...]


@dataclass(frozen=True)
class Outer:
    number: float
    maybe: Inner | None
    pair: tuple[str, int]
    named: Mapping[str, str]
    free: dict[str, Any]
    word: Literal["a", "b"]
    flag: bool


WHOLE = Outer(1.5, Inner("x", (1, 2)), ("p", 1), {"k": "v"}, {"n": [1, None]}, "a", True)


def over(value: Outer) -> Outer:
    return unpacked(Outer, json.loads(json.dumps(packed(value))))


@pytest.mark.parametrize("value", [WHOLE, replace(WHOLE, maybe=None, flag=False, number=2)])
def test_there_and_back(value: Outer) -> None:
    assert over(value) == value


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1"},
        {"number": True},
        {"maybe": {"text": 1, "many": []}},
        {"maybe": {"text": "x", "many": [1.5]}},
        {"pair": ["p"]},
        {"pair": "p"},
        {"named": {"k": 1}},
        {"named": [1]},
        {"word": "c"},
        {"flag": 1},
        {"extra": 1},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        unpacked(Outer, {**packed(WHOLE), **change})


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_nothing_but_a_record_becomes_one(value: object) -> None:
    with pytest.raises(WireError):
        unpacked(Outer, value)


def test_what_cannot_be_sent() -> None:
    with pytest.raises(WireError, match="bytes"):
        packed({"a": b"x"})


def test_a_verdict() -> None:
    from edge.provenance.watermark.detect import Found

    verdict = Verdict(
        file="f\udcff",
        exit_status=4,
        media_type="image/png",
        integrity="tampered",
        failures=("a", "b"),
        signer=Signer("n", None, "es256", False, None),
        claims=Claims(
            None, SigningTime(None, False), (), (), ({"name": "m"},), None, None, {"x": 1}, None
        ),
        agreement=Agreement(True, None, ("Label",)),
        watermark=Found("ab", 0.5, 1e-9, 1.0, 0.0, False),
        notes=("note",),
    )
    sent = json.loads(json.dumps(packed(verdict)))
    assert unpacked(Verdict, sent, {"Found": Found}) == verdict
    sent["exit_status"] = "0"
    with pytest.raises(WireError):
        unpacked(Verdict, sent, {"Found": Found})
