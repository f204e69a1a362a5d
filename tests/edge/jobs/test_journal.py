"""The journal of an unfinished video: what is written is read again, by this device alone."""

from __future__ import annotations

import dataclasses
import datetime
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.consent.canonical import FormError
from edge.jobs.journal import Journal, Segment, journal_bytes, read_journal
from edge.records import LabelPlace, Permit, Region, SwapRecord

PLACE = LabelPlace(
    text="AI-generated",
    language="en",
    corner="top-left",
    region=Region(1, 2, 90, 30),
    ink=Region(3, 4, 80, 20),
)
SEGMENTS = st.lists(
    st.builds(
        Segment,
        st.integers(1, 250),
        st.text("0123456789abcdef", min_size=64, max_size=64),
    ),
    max_size=4,
).map(tuple)


def _journal(**changes: object) -> Journal:
    known: dict[str, object] = {
        "output": "out.mp4",
        "settings": {"input": "ab", "model": "cd"},
        "output_id": "urn:uuid:1",
        "created": "2026-11-24T00:00:00Z",
        "place": PLACE,
    }
    return Journal(**{**known, **changes})  # type: ignore[arg-type]


@given(
    segments=SEGMENTS,
    faces=st.integers(0, 99),
    last=st.none() | st.integers(0, 2**40),
    state=st.text(st.characters(codec="utf-8"), max_size=20),
    whole=st.booleans(),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(
    tmp_path: Path,
    edge_home: Path,
    segments: tuple[Segment, ...],
    faces: int,
    last: int | None,
    state: str,
    whole: bool,
) -> None:
    journal = _journal(
        segments=segments,
        faces=faces,
        last=last,
        state=unicodedata.normalize("NFC", state),
        whole=whole,
    )
    path = tmp_path / "journal.json"
    path.write_bytes(journal_bytes(journal))
    assert read_journal(path) == journal
    assert journal.frames == sum(segment.frames for segment in segments)


@pytest.mark.parametrize("field", ["faces", "output", "segments", "settings", "label", "whole"])
def test_a_changed_journal_is_none(tmp_path: Path, edge_home: Path, field: str) -> None:
    body = json.loads(journal_bytes(_journal()))
    body[field] = 7
    path = tmp_path / "journal.json"
    path.write_text(json.dumps(body))
    with pytest.raises(FormError, match="not signed by this device"):
        read_journal(path)


def test_a_journal_of_another_device_is_none(
    tmp_path: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.json"
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "another"))
    path.write_bytes(journal_bytes(_journal()))
    monkeypatch.setenv("EDGE_HOME", str(edge_home))
    with pytest.raises(FormError, match="not signed by this device"):
        read_journal(path)


def test_a_record_takes_the_id_and_time_of_the_finished_frames() -> None:
    now = datetime.datetime(2026, 11, 25, tzinfo=datetime.timezone.utc)
    elsewhere = dataclasses.replace(PLACE, corner="bottom-left")
    permit = Permit("c-1", "synthetic", "film", "video", "11" * 32, "synthetic", now)
    record = SwapRecord(
        "urn:uuid:2", now, permit, (), elsewhere, "33" * 32, 1, 1, "edge-swap 0.1.0"
    )
    drafted = _journal().draft(record)
    begun = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
    assert (drafted.output_id, drafted.created, drafted.label) == ("urn:uuid:1", begun, PLACE)
    assert drafted.permit == permit
