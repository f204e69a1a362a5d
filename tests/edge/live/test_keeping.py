"""A recording that is kept within a size: the oldest go, entered first, and the rest is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli import main
from edge.consent.ledger import Ledger
from edge.errors import LedgerError
from edge.evidence.lookup import THIS_DEVICE, open_ledger, removed_segments
from edge.live.keeping import Keeping
from edge.live.session import Plan
from edge.registry import sha256_of
from tests.live import record, session
from tests.scene import Stage, stage

pytest.importorskip("av", reason="recordings need PyAV")


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def removed() -> list[int]:
    """Return the places of the segments that the ledger says were removed."""
    return [place for _, place in removed_segments(open_ledger(THIS_DEVICE))]


def test_the_oldest_go_and_the_rest_is_whole(
    ready: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (first,) = record(ready, out, frames=6, segment=5)
    most = round(2.5 * first.stat().st_size)
    plan = Plan(record=out, segment=0.2, keep=most)
    outcome = session(ready, plan, frames=40, rate=40).run()
    assert outcome.error is None
    assert not first.exists()  # of the recording before: the oldest of all
    left = sorted(out.iterdir())
    assert sum(path.stat().st_size for path in left) <= most
    assert outcome.recording is not None
    gone = outcome.recording.segments - len(left)
    assert gone >= 1
    assert removed() == [0, *range(gone)]
    capsys.readouterr()
    assert main(["verify", str(out), "--ledger"]) == 0
    assert f"whole from segment {gone} on" in capsys.readouterr().out
    assert main(["verify", str(out)]) == 4  # who has no ledger cannot tell
    assert main(["ledger", "verify"]) == 0


def test_the_newest_stays_however_little_may(ready: Stage, tmp_path: Path) -> None:
    plan = Plan(record=tmp_path / "out", segment=0.2, keep=1)
    outcome = session(ready, plan, frames=24, rate=40).run()
    assert outcome.error is None
    (last,) = (tmp_path / "out").iterdir()
    assert outcome.recording is not None
    assert last.stem.endswith(f"-{outcome.recording.segments - 1:05d}")


def test_what_is_not_this_device_s_own_stays(ready: Stage, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = record(ready, out, frames=30)
    for path in paths[3:]:
        path.unlink()
    new, other = out / "new.mp4", out / "20200101T000000Z-00000000-00000.mp4"
    for path in (new, other):
        path.write_bytes(paths[0].read_bytes())
    paths[1].write_bytes(b"somebody else's")
    paths[0].unlink()
    elsewhere = tmp_path / "elsewhere.mp4"
    paths[2].rename(elsewhere)
    paths[2].symlink_to(elsewhere)
    keeping = Keeping(out, Ledger(), 1)
    keeping.add(new, "urn:uuid:x", 0, sha256_of(new))
    assert other.exists()
    assert paths[1].read_bytes() == b"somebody else's"
    assert elsewhere.exists()
    assert removed() == []


def test_what_cannot_be_entered_is_not_removed(
    ready: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = record(ready, tmp_path / "out", frames=24)

    def full(*given: object) -> int:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(Ledger, "event", full)
    keeping = Keeping(tmp_path / "out", Ledger(), 1)
    with pytest.raises(LedgerError, match="full"):
        keeping.add(paths[-1], "urn:uuid:x", 9, sha256_of(paths[-1]))
    assert all(path.exists() for path in paths)
