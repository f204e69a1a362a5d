"""A stream from its beginning to its end: what is let out, what is recorded, and what stops it."""

from __future__ import annotations

import datetime
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.consent.canonical import utc_now
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import ConsentError, GateError, LedgerError, OutputError
from edge.live import reopening
from edge.live.pipeline import Shown
from edge.live.reopening import Reopening
from edge.live.session import Plan, Session
from edge.provenance.watermark.detect import read_known
from edge.provenance.watermark.identifier import watermark_id
from tests import gates
from tests.live import Scripted, session
from tests.scene import Stage, stage

pytest.importorskip("av", reason="recordings need PyAV")


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """Return a list that every frame which goes out is put into."""
    seen: list[Shown] = []
    hand_on = Session._hand_on

    def note(self: Session, shown: Shown) -> None:
        seen.append(shown)
        hand_on(self, shown)

    monkeypatch.setattr(Session, "_hand_on", note)
    return seen


def test_every_frame_is_labelled_and_watermarked(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(monkeypatch)
    live = session(ready, Plan(), frames=5)
    outcome = live.run()
    assert outcome.error is None
    assert outcome.reason == "the source is over"
    assert outcome.frames == len(seen) >= 2
    assert outcome.faces == 1
    for shown in seen:
        region = shown.place.ink
        area = slice(region.y, region.y + region.height), slice(region.x, region.x + region.width)
        assert (shown.frame[area] > 200).any()
    found = read_known(*(shown.frame for shown in seen))
    assert found is not None
    assert found.id == watermark_id(live.stream)
    assert len({shown.place for shown in seen}) == 1


def test_what_the_ledger_says_of_it(ready: Stage) -> None:
    live = session(ready, Plan(), frames=3)
    live.run()
    begun, ended = (
        entry.fields["details"]
        for entry in Ledger().entries()
        if entry.kind == "event" and entry.fields.get("event") == "live"
    )
    assert isinstance(begun, dict)
    assert isinstance(ended, dict)
    assert begun["stage"] == "begun"
    assert begun["output_id"] == live.stream == ended["stream"]
    assert begun["watermark"] == watermark_id(live.stream)
    assert begun["consent_id"] == ready.consent.id
    assert ended["reason"] == "the source is over"


def test_a_stop_from_elsewhere_ends_it_though_the_camera_is_lost(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reopening, "FIRST_WAIT", 60.0)
    gone, lost = threading.Event(), threading.Event()
    live = session(ready, Plan(), unplugged=gone, told=lambda state: lost.set())
    threading.Timer(0.2, gone.set).start()

    def stop() -> None:
        lost.wait(10)
        assert live.status()["source"]["state"] == "lost"
        live.stop("enough")

    threading.Thread(target=stop).start()
    start = time.monotonic()
    outcome = live.run()
    assert outcome.reason == "enough"
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("where", ["before it is prepared", "before it runs"])
def test_a_stream_that_cannot_begin_holds_neither_camera_nor_threads(
    where: str, ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Scripted()

    def full(*given: object, **named: object) -> None:
        raise LedgerError("the disk is full")

    before = set(threading.enumerate())
    plan = Plan(record=tmp_path / "out", show=True)

    def begin() -> None:
        if where == "before it is prepared":
            monkeypatch.setattr("edge.live.session.Leave", full)
        live = Session(ready.swapper(), Reopening(lambda: camera), plan)
        monkeypatch.setattr(Ledger, "event", full)
        live.run()

    with pytest.raises(LedgerError, match="the disk is full"):
        begin()
    assert camera.closed == 1
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_a_time_limit(ready: Stage) -> None:
    outcome = session(ready, Plan(seconds=0.3)).run()
    assert outcome.reason == "the time is over"
    assert outcome.error is None


def test_the_end_of_the_consent_stops_it_within_a_second(
    edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = utc_now() + datetime.timedelta(seconds=2)
    ready = stage(edge_home, tmp_path / "work", until=until)
    seen = watched(monkeypatch)
    outcome = session(ready, Plan(show=True)).run()
    assert isinstance(outcome.error, ConsentError)
    assert "expired" in outcome.reason
    # whole seconds: the last second of its validity ends just before `until` + 1 s
    assert utc_now() <= until + datetime.timedelta(seconds=2)
    assert seen
    refusals = [e for e in Ledger().entries() if e.kind == "refusal"]
    assert "expired" in str(refusals[-1].fields["reason"])


def test_a_revocation_stops_it_within_a_second(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(monkeypatch)
    live = session(ready, Plan(show=True))
    revoked: list[float] = []

    def revoke() -> None:
        revocation = new_revocation(ready.consent, operator_key(), load_trust(), "no more")
        install_revocation(revocation)
        revoked.append(time.monotonic())

    threading.Timer(0.4, revoke).start()
    outcome = live.run()
    assert isinstance(outcome.error, ConsentError)
    assert "no more" in outcome.reason
    assert seen[-1].at - revoked[0] < 1.0
    assert time.monotonic() - revoked[0] < 5.0


def test_no_medium_no_stream(edge_home: Path, tmp_path: Path) -> None:
    ready = stage(edge_home, tmp_path / "work", media=("picture", "video"))
    with pytest.raises(ConsentError, match="'live'"):
        session(ready, Plan())
    ready = stage(edge_home, tmp_path / "other", media=("live",))
    with pytest.raises(ConsentError, match="'video'"):
        session(ready, Plan(record=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_content_gate_ends_it(ready: Stage, edge_home: Path) -> None:
    gates.install(edge_home)
    outcome = session(ready, Plan(), frames=20, colour=(255, 60, 60)).run()
    assert isinstance(outcome.error, GateError)
    assert outcome.frames == 0
    assert session(ready, Plan(), frames=5).run().error is None


def test_ctrl_c_is_an_ordinary_end(ready: Stage, tmp_path: Path) -> None:
    live = session(ready, Plan(record=tmp_path / "out"))
    calls = 0

    def told() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt

    outcome = live.run(told)
    assert outcome.reason == "stopped by the operator"
    assert outcome.error is None
    assert outcome.recording is not None
    assert outcome.recording.segments == 1


def test_a_recording_that_fails_ends_it(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.media.video_out import VideoWriter

    def full(self: VideoWriter, frame: np.ndarray[Any, Any], pts: int | None) -> None:
        raise OutputError("out: cannot be written: the disk is full")

    monkeypatch.setattr(VideoWriter, "write", full)
    outcome = session(ready, Plan(record=tmp_path / "out")).run()
    assert isinstance(outcome.error, OutputError)
    assert "disk is full" in outcome.reason
    assert list((tmp_path / "out").iterdir()) == []


def test_the_status_says_what_the_page_shows(ready: Stage, tmp_path: Path) -> None:
    live = session(ready, Plan(record=tmp_path / "out"), frames=10)
    live.run()
    status = live.status()
    assert status["state"] == "ended"
    assert status["reason"] == "the source is over"
    assert status["source"]["name"] == "scripted camera"
    assert status["consent"]["purpose"] == "film"
    assert status["consent"]["seconds_left"] > 0
    recording = dict(status["recording"])  # a busy encoder leaves frames out
    assert recording.pop("frames") + recording.pop("dropped") == status["frames"]
    assert recording == {"folder": "out", "segments": 1, "error": ""}
    assert status["fps"] > 0
    assert len(status["made_ms"]) == 2
