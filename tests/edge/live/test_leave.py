"""Leave is asked for again and again, and nothing goes out on an old one."""

from __future__ import annotations

import datetime
import threading
from dataclasses import replace

import pytest

from edge.consent.canonical import utc_now
from edge.errors import ConsentError, EdgeError
from edge.live import leave
from edge.live.leave import Leave
from edge.records import Medium, Permit

PERMIT = Permit(
    consent_id="c",
    assurance="synthetic",
    purpose="film",
    medium="live",
    identity_commitment="0" * 64,
    target_statement="synthetic",
    not_after=utc_now() + datetime.timedelta(days=1),
)


def test_no_leave_at_the_beginning_is_an_error() -> None:
    def refuse(medium: Medium) -> Permit:
        raise ConsentError(f"refused: not {medium}")

    with pytest.raises(ConsentError, match="not live"):
        Leave(refuse, ("live",), lambda error: None)


def test_the_end_is_told_once_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave, "EVERY", 0.01)
    over, told = threading.Event(), list[EdgeError]()
    ended = threading.Event()

    def ask(medium: Medium) -> Permit:
        if over.is_set():
            raise ConsentError("refused: revoked")
        return replace(PERMIT, medium=medium)

    def on_end(error: EdgeError) -> None:
        told.append(error)
        ended.set()

    watched = Leave(ask, ("live", "video"), on_end)
    watched.start()
    assert watched.covers_now()
    assert watched.permit("video").medium == "video"
    over.set()
    assert ended.wait(5)
    watched.stop()
    assert [str(error) for error in told] == ["refused: revoked"]
    assert not watched.covers_now()
    assert watched.over is told[0]


def test_a_check_that_hangs_stops_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Leave(lambda medium: PERMIT, ("live",), lambda error: None)
    assert watched.covers_now()
    monkeypatch.setattr(leave, "OLDEST", -1.0)  # the last check is older than that
    assert not watched.covers_now()


def test_the_second_of_the_end_is_seen_between_two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Leave(lambda medium: PERMIT, ("live",), lambda error: None)
    assert watched.covers_now()
    after = PERMIT.not_after + datetime.timedelta(seconds=1)
    monkeypatch.setattr(leave, "utc_now", lambda: after)
    assert not watched.covers_now()


def test_a_check_that_fails_in_an_unforeseen_way_ends_it_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leave, "EVERY", 0.01)
    gone, told = threading.Event(), list[EdgeError]()
    ended = threading.Event()

    def ask(medium: Medium) -> Permit:
        if gone.is_set():
            raise FileNotFoundError(2, "No such file\nor directory", "policy.toml")
        return PERMIT

    def on_end(error: EdgeError) -> None:
        told.append(error)
        ended.set()

    watched = Leave(ask, ("live",), on_end)
    watched.start()
    gone.set()
    assert ended.wait(5)
    watched.stop()
    (error,) = told
    assert isinstance(error, ConsentError)
    assert "cannot be checked any more: " in str(error)
    assert "policy.toml" in str(error)
    assert "\n" not in str(error)
    assert watched.over is error
    assert not watched.covers_now()
