from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from edge.consent import ledger as ledger_module
from edge.consent import ledger_file, retention
from edge.consent.canonical import utc_now
from edge.consent.chain import purged_path
from edge.consent.checkpoints import write_checkpoint
from edge.consent.ledger import Ledger
from edge.consent.merkle import leaf_hash
from edge.consent.proof import prove_entry, read_proof
from edge.consent.retention import LEAST_DAYS, past_retention, purge, retention_days
from edge.consent.storage import write_private
from edge.errors import LedgerError, PolicyError

DAY = datetime.timedelta(days=1)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger with ten lines of 200 days ago, and five of now."""
    made = Ledger()
    now = utc_now()
    monkeypatch.setattr(ledger_file, "utc_now", lambda: now - 200 * DAY)
    _fill(made, 10)
    monkeypatch.setattr(ledger_file, "utc_now", lambda: now)
    _fill(made, 5)
    return made


def _fill(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.event("skipped-no-face", {"input": f"picture {number}"})


def _configure(text: str) -> None:
    retention.retention_path().parent.mkdir(parents=True, exist_ok=True)
    retention.retention_path().write_text(text)


def test_six_months_by_default() -> None:
    assert retention_days() == LEAST_DAYS == 184
    for year in (2026, 2028):
        for month in range(1, 7):
            half = datetime.date(year, month + 6, 1) - datetime.date(year, month, 1)
            assert half.days <= LEAST_DAYS


def test_a_line_that_closes_nothing(ledger: Ledger) -> None:
    ledger.append("published", lambda: {"entry": []})
    found = past_retention(ledger)
    assert found is not None
    assert found.lines == 10


def test_it_can_be_longer_never_shorter() -> None:
    _configure("retention_days = 1000\n")
    assert retention_days() == 1000


@pytest.mark.parametrize(
    "text",
    ["retention_days = 183", "retention_days = 1e3", "retention_days = true", "keep = 1", "x ="],
)
def test_a_malformed_configuration_is_said(text: str, ledger: Ledger) -> None:
    _configure(text)
    with pytest.raises(PolicyError):
        purge(ledger)
    assert len(ledger.lines()) == 15


def test_a_purge(ledger: Ledger) -> None:
    before = ledger.lines()
    write_checkpoint(ledger)
    found = past_retention(ledger)
    assert found is not None
    assert (found.lines, found.through) == (10, 10)
    assert ledger.lines()[:15] == before  # looking removes nothing
    assert purge(ledger) == found
    lines = ledger.lines()
    assert lines[:5] == before[10:]
    assert [leaf.hex() for leaf in ledger.purged()] == [leaf_hash(x).hex() for x in before[:10]]
    assert json.loads(lines[-1])["kind"] == "purge"
    assert json.loads(lines[-1])["through"] == 10
    assert ledger.verify() == []
    assert purge(ledger) is None
    assert b"picture 3" in b"".join(before[:10])
    assert b'"seq":4,' not in ledger.path.read_bytes()


def test_everything_goes_on_after_a_purge(ledger: Ledger) -> None:
    write_checkpoint(ledger)
    purge(ledger)
    _fill(ledger, 3)
    made = write_checkpoint(ledger)
    assert made.size == len(ledger.purged()) + len(ledger.lines()) - 1
    assert ledger.verify() == []
    seq = json.loads(ledger.lines()[1])["seq"]
    assert read_proof(prove_entry(ledger, seq).to_record()).lines
    assert ledger.recover() == []


def test_a_second_purge(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    purge(ledger)
    count = len(ledger.lines())
    later = utc_now() + 300 * DAY
    monkeypatch.setattr(ledger_file, "utc_now", lambda: later)
    _fill(ledger, 2)
    assert purge(ledger, later) is not None
    assert len(ledger.purged()) >= 10 + count - 2
    assert ledger.verify() == []


def test_lines_that_were_removed_by_hand_show(ledger: Ledger) -> None:
    purge(ledger)
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[1:]))
    assert ledger.verify() != []
    ledger.path.write_bytes(b"".join(lines))
    assert ledger.verify() == []
    hashes = purged_path(ledger.path).read_text().split()
    purged_path(ledger.path).write_text("\n".join([*hashes[:-1], "00" * 32]))
    assert ledger.verify() != []
    purged_path(ledger.path).unlink()
    assert any("was removed" in problem.what for problem in ledger.verify())


def test_hashes_without_a_line_that_says_so_help_nothing(ledger: Ledger) -> None:
    lines = ledger.lines()
    ledger.path.write_bytes(b"".join(line + b"\n" for line in lines[4:]))
    purged_path(ledger.path).write_text("\n".join(leaf_hash(line).hex() for line in lines[:4]))
    assert any("entry 1 to 4 was removed" in problem.what for problem in ledger.verify())


@pytest.mark.parametrize("step", [1, 2])
def test_an_interrupted_purge_is_whole_and_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The power goes after the line, or after the hashes: nothing is torn."""
    calls: list[Path] = []

    def fails(path: Path, data: bytes, *, overwrite: bool = False) -> None:
        calls.append(path)
        if len(calls) == step:
            raise KeyboardInterrupt
        write_private(path, data, overwrite=overwrite)

    monkeypatch.setattr(ledger_module, "write_private", fails)
    with pytest.raises(KeyboardInterrupt):
        purge(ledger)
    monkeypatch.setattr(ledger_module, "write_private", write_private)
    assert json.loads(ledger.lines()[0])["seq"] == 1
    assert ledger.verify() == []
    _fill(ledger, 1)
    assert ledger.verify() == []
    assert purge(ledger) is None  # what the line says goes now; nothing else is past it
    assert json.loads(ledger.lines()[0])["seq"] == 11
    assert ledger.verify() == []


def test_a_clock_behind_the_ledger(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="clock"):
        purge(ledger, utc_now() - 400 * DAY)


def test_an_output_being_made_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.edge.consent.test_ledger import DIGEST, _record

    ledger = Ledger()
    old = utc_now() - 200 * DAY
    monkeypatch.setattr(ledger_file, "utc_now", lambda: old)
    _fill(ledger, 2)
    ledger.begin_output(_record(), tmp_path / "out.jpg", DIGEST)
    _fill(ledger, 2)
    found = past_retention(ledger)
    assert found is not None
    assert found.through == 2


def test_a_broken_ledger_is_not_purged(ledger: Ledger) -> None:
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    with pytest.raises(LedgerError, match="broken"):
        purge(ledger)
