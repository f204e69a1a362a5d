from __future__ import annotations

import datetime

import pytest

from edge.provenance.timing import in_words, parse, time_notes
from edge.provenance.verdict import Signer, SignerStatus, SigningTime

CLAIMED = "2026-03-01T12:00:00Z"


def _signer(status: SignerStatus = "trusted", revoked: str | None = None) -> Signer:
    return Signer(
        "a", "b", "es256", status == "trusted", None, status, "2099-01-01T00:00:00Z", revoked
    )


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("2026-03-01T12:00:09+00:00", None),
        ("2026-03-01T12:04:59+00:00", None),
        ("2026-03-01T12:20:00+00:00", "came later, 20 minutes"),
        ("2026-03-03T12:20:00+00:00", "came later, 2 days"),
        ("2026-03-01T11:00:00+00:00", "a later time than the time stamp"),
    ],
)
def test_a_stamp_that_came_later(stamp: str, words: str | None) -> None:
    notes = list(time_notes(SigningTime(stamp, True, CLAIMED, stamp, "T"), _signer(), ()))
    assert (notes == []) if words is None else (words in notes[0])


def test_a_stranger_s_stamp() -> None:
    time = SigningTime(CLAIMED, False, CLAIMED, "2026-03-01T12:00:09+00:00", "T")
    (note,) = time_notes(time, _signer(), ())
    assert "by T" in note
    assert "does not know" in note


def test_a_spoiled_stamp() -> None:
    (note,) = time_notes(SigningTime(CLAIMED, False, CLAIMED, spoiled=True), _signer(), ())
    assert "spoiled" in note


def test_revoked_and_expired() -> None:
    none = SigningTime(CLAIMED, False, CLAIMED)
    (note,) = time_notes(none, _signer("revoked", "2026-05-01T00:00:00Z"), ())
    assert "REVOKED on 2026-05-01" in note
    (note,) = time_notes(none, _signer("trusted", "2026-05-01T00:00:00Z"), ())
    assert "after this was signed" in note
    (note,) = time_notes(none, _signer("expired"), ("signingCredential.expired",))
    assert "no trusted time stamp helps" in note


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time(text: str | None) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (86400 * 400, "400 days")],
)
def test_spans(seconds: int, words: str) -> None:
    assert in_words(datetime.timedelta(seconds=seconds)) == words
