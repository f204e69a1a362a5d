from __future__ import annotations

from pathlib import Path

import pytest

from edge.consent.canonical import FormError
from edge.consent.checkpoints import write_checkpoint
from edge.consent.export import export
from edge.consent.ledger import Ledger
from edge.consent.proof import prove
from edge.consent.seals import Seal, Unsigned, seals_of, signed_through, that_count, unsigned_after
from tests.edge.consent.test_ledger import _publish


def _seal(size: int, *, trusted: bool) -> Seal:
    return Seal("edge-swap ledger x", size, "", "", "", trusted, "", ())


def test_the_seals_of_both_kinds(tmp_path: Path) -> None:
    ledger = Ledger()
    _publish(ledger, tmp_path / "out.jpg")
    write_checkpoint(ledger)
    for record in (export(ledger), prove(ledger, tmp_path / "out.jpg").to_record()):
        (seal,) = seals_of(record)
        assert (seal.size, seal.trusted) == (2, True)
    with pytest.raises(FormError):
        seals_of({**export(ledger), "lines": 3})


def test_a_stranger_counts_only_where_nobody_is_trusted() -> None:
    known, later = _seal(3, trusted=True), _seal(8, trusted=False)
    assert that_count([known, later]) == [known]
    assert that_count([later]) == [later]
    assert [signed_through(seals) for seals in ([known, later], [later], [])] == [3, 8, 0]


def test_the_checkpoint_is_the_last_line_that_counts() -> None:
    known, later = _seal(3, trusted=True), _seal(8, trusted=False)
    assert unsigned_after([known], 4) is None
    assert unsigned_after([known], 5) == Unsigned(5, 5)
    assert unsigned_after([known, later], 9) == Unsigned(5, 9)
    assert unsigned_after([later], 9) is None
    assert unsigned_after([], 2) == Unsigned(1, 2)


def test_in_words() -> None:
    assert "the last line (5): anybody can have added it" in Unsigned(5, 5).text
    assert "the last 2 lines (5 to 6): anybody can have added them" in Unsigned(5, 6).text
