"""Recordings: closed, signed segments that name each other, and nothing half-done between them."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from edge.consent.ledger import Ledger
from edge.errors import OutputError
from edge.jobs.deliver import deliver
from edge.live import recorder
from edge.live.recorder import RecordingState, make_folder
from edge.live.session import Plan
from edge.media.video_out import VideoWriter
from edge.provenance.recording import recordings_of
from edge.provenance.verify import verify_file
from edge.provenance.watermark.identifier import watermark_id
from tests.docs.spec.outputs import assertions_of
from tests.docs.spec.test_schemas import schema
from tests.live import SIZE, record, session
from tests.scene import Stage, stage

av = pytest.importorskip("av", reason="recordings need PyAV")


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def test_segments_are_labelled_signed_chained_and_entered(ready: Stage, tmp_path: Path) -> None:
    paths = record(ready, tmp_path / "out")
    assert len(paths) >= 2
    verdicts = [verify_file(path) for path in paths]
    assert [verdict.exit_status for verdict in verdicts] == [0] * len(paths)
    lives = [verdict.claims.live for verdict in verdicts if verdict.claims is not None]
    streams = {live.stream for live in lives if live is not None}
    assert len(streams) == 1
    mark = watermark_id(streams.pop())
    for verdict in verdicts:
        assert verdict.claims is not None
        assert verdict.claims.watermark == mark
        assert verdict.claims.visible_label is not None
        assert verdict.implicit_label is not None
        assert verdict.implicit_label["ProduceID"] == verdict.claims.output_id
        assert verdict.claims.ingredients == ()
        assert [action.action for action in verdict.claims.actions] == [
            "c2pa.created",
            "c2pa.watermarked.bound",
        ]
    (recording,) = recordings_of(verdicts)
    assert recording.problems == ()
    entries = [entry for entry in Ledger().entries() if entry.kind == "output"]
    assert [entry.state for entry in entries] == ["published"] * len(paths)
    assert [entry.fields["segment"] for entry in entries] == list(range(len(paths)))
    assert {entry.fields["watermark"] for entry in entries} == {mark}
    assert list((tmp_path / "out").glob(".*")) == []


def test_what_a_segment_states_fits_the_schema(ready: Stage, tmp_path: Path) -> None:
    first, second = (assertions_of(path) for path in record(ready, tmp_path / "out")[:2])
    for data in (first, second):
        jsonschema.validate(data, schema("assertions-1"))
        assert "org.edge-swap.target" not in data
    known: Any = schema("assertions-1")["properties"]["org.edge-swap.live"]["properties"]
    assert set(second["org.edge-swap.live"]) == set(known)
    assert set(first["org.edge-swap.live"]) == set(known) - {"previousSha256"}


def test_frames_keep_their_times_and_show_the_label(ready: Stage, tmp_path: Path) -> None:
    path = record(ready, tmp_path / "out", segment=5, frames=20, rate=25)[0]
    with av.open(str(path)) as container:
        frames = [(float(f.time), f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]
        assert container.streams.audio == ()
    verdict = verify_file(path)
    assert verdict.claims is not None
    assert verdict.claims.live is not None
    times = [time for time, _ in frames]
    assert times[0] == 0
    assert np.all(np.diff(times) > 0.02)
    assert verdict.claims.live.length == pytest.approx((times[-1] + 0.04) * 1000, abs=5)
    assert verdict.claims.visible_label is not None
    x, y, width, height = verdict.claims.visible_label["region"].values()
    for _, frame in frames:
        assert frame.shape[:2] == SIZE
        area = frame[y : y + height, x : x + width]
        assert (area > 180).any()
        assert (area < 60).any()


def test_two_recordings_that_begin_at_one_time_are_two(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime.datetime):
        """A clock that a board without a battery begins with each time."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Stopped:
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(recorder, "datetime", Stopped)
    first = record(ready, tmp_path / "out", frames=5, segment=5)
    both = record(ready, tmp_path / "out", frames=5, segment=5)
    assert (len(first), len(both)) == (1, 2)
    assert all(one.whole for one in recordings_of(verify_file(path) for path in both))


def test_the_permit_is_that_of_a_video(ready: Stage, tmp_path: Path) -> None:
    data = assertions_of(record(ready, tmp_path / "out", frames=5, segment=5)[0])
    assert data["org.edge-swap.swap"]["medium"] == "video"
    assert data["org.edge-swap.swap"]["faces"] == 1


def test_a_frame_of_another_size_begins_a_segment(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.live.sources.base import Taken
    from tests.live import Scripted

    read = Scripted.read

    def larger(self: Scripted) -> Taken | None:
        taken = read(self)
        if taken is None or self._number < 8:
            return taken
        frame = np.asarray(cv2.resize(taken.frame, (400, 240)), np.uint8)
        return dataclasses.replace(taken, frame=frame)

    monkeypatch.setattr(Scripted, "read", larger)
    paths = record(ready, tmp_path / "out", frames=16, segment=60)
    sizes = []
    for path in paths:
        with av.open(str(path)) as container:
            sizes.append((container.streams.video[0].width, container.streams.video[0].height))
    assert sizes == [(320, 180), (400, 240)]
    (recording,) = recordings_of(verify_file(path) for path in paths)
    assert recording.whole


def test_an_encoder_that_is_slow_holds_nothing_back(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.live.recorder import _Open

    write = _Open.write

    def slow(self: _Open, shown: Any) -> None:
        time.sleep(0.2)
        write(self, shown)

    monkeypatch.setattr(_Open, "write", slow)
    start = time.monotonic()
    outcome = session(ready, Plan(record=tmp_path / "out"), frames=40, rate=50).run()
    assert outcome.recording is not None
    assert outcome.recording.dropped > 0
    assert outcome.recording.frames + outcome.recording.dropped == outcome.frames
    assert time.monotonic() - start < 8


@pytest.mark.parametrize("what", ["a file", "below a file"])
def test_a_folder_that_is_none(what: str, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("x")
    with pytest.raises(OutputError, match=r"is a file|cannot be made"):
        make_folder(file if what == "a file" else file / "y")


def test_a_signature_that_fails_leaves_no_unsigned_segment(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def full(*given: Any) -> None:
        failed.set()
        raise OutputError("the disk is full")

    close = VideoWriter.close
    closed: list[int] = []

    def close_late(self: Any) -> None:
        close(self)
        closed.append(self.frames)
        if len(closed) == 2:  # the first one's signature has failed by now
            assert failed.wait(5)
            time.sleep(0.1)

    monkeypatch.setattr(recorder, "deliver", full)
    monkeypatch.setattr(VideoWriter, "close", close_late)
    plan = Plan(record=tmp_path / "out", segment=0.2)
    outcome = session(ready, plan, frames=30, rate=40).run()
    assert len(closed) == 2
    assert outcome.error is not None
    assert "the disk is full" in str(outcome.error)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_segment_behind_one_that_could_not_be_signed_is_left_out(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    waiting = threading.Event()

    def full_once(*given: Any) -> Any:
        asked.append(given[-1])
        if len(asked) != 2:
            return deliver(*given)
        assert waiting.wait(10)  # the third one waits for its turn by now
        raise OutputError("the disk is full")

    submit = ThreadPoolExecutor.submit

    def submitted(self: Any, *given: Any, **named: Any) -> Any:
        job = submit(self, *given, **named)
        if self._work_queue.qsize() and len(asked) == 2:
            waiting.set()
        return job

    monkeypatch.setattr(recorder, "deliver", full_once)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submitted)
    plan = Plan(record=tmp_path / "out", segment=0.2)
    outcome = session(ready, plan, frames=80, rate=40).run()
    assert "the disk is full" in str(outcome.error)
    assert list((tmp_path / "out").iterdir()) == asked[:1]


def test_no_count_is_lost_between_the_threads(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(state: Any, **changed: Any) -> Any:
        if isinstance(state, RecordingState):
            time.sleep(0.03)  # what another thread wrote meanwhile would be lost
        return dataclasses.replace(state, **changed)

    monkeypatch.setattr(recorder, "replace", slow)
    outcome = session(ready, Plan(record=tmp_path / "out", segment=0.2), frames=60, rate=60).run()
    assert outcome.recording is not None
    assert outcome.recording.dropped > 0
    assert outcome.recording.frames + outcome.recording.dropped == outcome.frames
    assert outcome.recording.segments == len(list((tmp_path / "out").glob("*.mp4")))
