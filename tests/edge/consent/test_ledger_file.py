"""The file of a ledger: a line is there whole or not at all, and costs no look at the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.consent import ledger_file
from edge.consent.chain import NO_HASH, read_head
from edge.consent.ledger import Ledger
from edge.consent.ledger_file import LedgerFile
from edge.errors import LedgerError


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    return LedgerFile(tmp_path / "state" / "ledger.jsonl")


def _append(file: LedgerFile, kind: str = "event", fields: dict[str, object] | None = None) -> int:
    with file.locked():
        return file.append(kind, fields or {})


def test_lines_are_numbered_and_the_head_follows(file: LedgerFile) -> None:
    assert [_append(file) for _ in range(3)] == [1, 2, 3]
    head = read_head(file.head)
    assert head is not None
    assert head.seq == 3
    assert head.hash in file.path.read_text().splitlines()[-1]
    assert NO_HASH in file.path.read_text().splitlines()[0]


def test_what_has_no_canonical_form_is_not_written(file: LedgerFile) -> None:
    with pytest.raises(LedgerError, match="cannot write this into the ledger"):
        _append(file, fields={"number": 0.5})
    assert not file.path.exists()


@pytest.mark.parametrize("hold", [True, False])
def test_a_line_that_cannot_be_written_leaves_nothing(
    file: LedgerFile, hold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _append(file)
    before = file.path.read_bytes()

    def full(handle: int, data: bytes) -> None:
        os.write(handle, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_file, "_write_all", full)
        with pytest.raises(LedgerError, match="no space left"), file.locked():
            file.append("event", {}, hold=hold)
    assert file.path.read_bytes() == before
    assert not file.inflight.is_alive(2)
    assert _append(file) == 2


def test_who_reads_leaves_nothing_beside_a_copy(file: LedgerFile) -> None:
    _append(file)
    file.path.with_suffix(".lock").unlink()
    with file.reading():
        pass
    assert not file.path.with_suffix(".lock").exists()


def test_a_ledger_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(LedgerError, match="cannot open the ledger"):
        Ledger(tmp_path / "file" / "ledger.jsonl").event("erase", {})


def _bytes_read() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        name, _, count = line.partition(": ")
        if name == "rchar":
            return int(count)
    pytest.skip("this kernel does not count what a process reads")


def test_an_entry_does_not_read_the_whole_ledger(file: LedgerFile) -> None:
    _append(file)
    last = file.path.read_bytes()
    with file.path.open("wb") as lines:
        lines.truncate(2**30)  # a gigabyte of nothing, then one good line
        lines.seek(0, os.SEEK_END)
        lines.write(b"\n" + last)
    before = _bytes_read()
    _append(file)
    assert _bytes_read() - before < 2**20
