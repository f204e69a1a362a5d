from __future__ import annotations

from pathlib import Path

from edge.consent.inflight import Inflight, read_mark


def test_held_entries_are_alive_for_everybody(tmp_path: Path) -> None:
    mine, theirs = Inflight(tmp_path / "x"), Inflight(tmp_path / "x")
    assert not theirs.is_alive(3)
    mine.hold(3)
    assert theirs.is_alive(3)
    assert mine.is_alive(3)
    mine.release(3)
    assert not theirs.is_alive(3)
    assert list((tmp_path / "x").iterdir()) == []
    theirs.release(3)


def test_no_mark_means_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"")
    assert read_mark(tmp_path / "mark", tmp_path / "ledger") == 0
