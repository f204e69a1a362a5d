from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.consent import ledger_file
from edge.consent.canonical import FormError, canonical_bytes, sha256_hex, utc_now
from edge.consent.checkpoints import write_checkpoint
from edge.consent.export import export, problems_of, read_export
from edge.consent.ledger import Ledger
from edge.consent.retention import purge
from edge.errors import LedgerError

DAY = datetime.timedelta(days=1)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made, now = Ledger(), utc_now()
    for age in (300, 250, 40, 0):
        monkeypatch.setattr(ledger_file, "utc_now", lambda age=age: now - age * DAY)
        made.event("skipped-no-face", {"input": f"picture of {age} days ago"})
        write_checkpoint(made)
    return made


def _read(record: dict[str, object]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(record))
    return content


def appended(record: dict[str, Any], *lines: Mapping[str, object]) -> dict[str, Any]:
    """Return an export with lines behind its last one that continue the chain, signed by nobody."""
    made = _read(record)
    for fields in lines:
        last = json.loads(made["lines"][-1])
        body = {**fields, "seq": last["seq"] + 1, "time": last["time"], "prev": last["hash"]}
        body["hash"] = sha256_hex(canonical_bytes(body))
        made["lines"].append(canonical_bytes(body).decode())
    return made


def test_all_of_it(ledger: Ledger) -> None:
    record = _read(export(ledger))
    assert problems_of(record) == []
    lines, leaves, _ = read_export(record)
    assert lines == ledger.lines()
    assert leaves == []


def test_what_is_older_goes_out_as_hashes(ledger: Ledger) -> None:
    record = _read(export(ledger, utc_now() - 50 * DAY))
    assert problems_of(record) == []
    assert len(record["leaves_before"]) == 4
    assert "250 days" not in json.dumps(record)
    assert "40 days" in json.dumps(record)


def test_it_ends_where_it_is_told(ledger: Ledger) -> None:
    last = write_checkpoint(ledger).size + 1
    ledger.event("frame", {"input": "written by another process meanwhile"})
    assert len(export(ledger)["lines"]) == last + 1  # type: ignore[arg-type]
    record = _read(export(ledger, through=last))
    assert problems_of(record) == []
    assert [json.loads(line)["seq"] for line in record["lines"]] == list(range(1, last + 1))
    purge(ledger)
    record = _read(export(ledger, through=last))
    assert json.loads(record["lines"][-1])["seq"] == last


def test_a_line_that_is_no_stamp_shows(ledger: Ledger) -> None:
    record = _read(export(ledger))
    good = {"kind": "stamp", "checkpoint": 8, "token": "AAAA"}
    assert problems_of(appended(record, good)) == []
    changes: list[dict[str, object]] = [{"checkpoint": "x"}, {"checkpoint": []}]
    changes += [{"token": "A"}, {"token": 5}]
    for change in changes:
        (problem,) = problems_of(appended(record, {**good, **change}))
        assert (problem.line, "a time stamp" in problem.what) == (9, True)


def test_a_checkpoint_says_nothing_besides(ledger: Ledger) -> None:
    """Nobody has signed what its line holds beside the text: not the hash of a file, either."""
    record = _read(export(ledger))
    last = json.loads(record["lines"].pop())
    del last["hash"]
    record = appended(record, {**last, "entry": 1, "output_sha256": "ab" * 32})
    (problem,) = problems_of(record)
    assert problem.what == "the checkpoint says more than a checkpoint does"


def test_after_a_purge(ledger: Ledger) -> None:
    purge(ledger)
    record = _read(export(ledger))
    assert problems_of(record) == []
    assert len(record["leaves_before"]) == 4


def test_changes_show(ledger: Ledger) -> None:
    record = _read(export(ledger))
    for position in range(len(record["lines"])):
        changed = _read(record)
        changed["lines"][position] = changed["lines"][position].replace("T", "t", 1)
        assert problems_of(changed) != []
        removed = _read(record)
        del removed["lines"][position]
        if position < len(record["lines"]) - 1:  # the end of an export may be cut: that shows
            assert problems_of(removed) != []  # by its last checkpoint alone
    older = _read(export(ledger, utc_now() - 50 * DAY))
    older["leaves_before"][1] = "00" * 32
    assert any("not over the lines" in problem.what for problem in problems_of(older))


@pytest.mark.parametrize(
    "change",
    [
        {"lines": 1},
        {"lines": []},
        {"leaves_before": ["x"]},
        {"leaves_before": ["00"]},
        {"lines": ["\ud800"]},
        {"hash_before": None},
    ],
)
def test_malformed(ledger: Ledger, change: dict[str, Any]) -> None:
    with pytest.raises(FormError):
        problems_of({**export(ledger), **change})


def test_an_empty_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="empty"):
        export(Ledger(tmp_path / "none.jsonl"))
