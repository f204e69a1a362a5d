"""Every refusal gets its line in the ledger, and that line names nobody."""

from __future__ import annotations

import pytest

from edge.consent.ledger import Ledger
from edge.consent.refusals import REFUSALS, recording_refusals
from edge.errors import ConsentError, EdgeError, LedgerError, MediaError


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_refusals_are_entered(ledger: Ledger) -> None:
    with pytest.raises(ConsentError), recording_refusals(ledger, {"purpose": "game"}):
        raise ConsentError("refused: no")
    with pytest.raises(MediaError), recording_refusals(ledger, {}):
        raise MediaError("no refusal")
    (entry,) = ledger.entries()  # a file that is broken is a mishap
    assert entry.kind == "refusal"
    assert entry.fields["reason"] == "refused: no"
    assert entry.fields["asked"] == {"purpose": "game"}


@pytest.mark.parametrize("kind", REFUSALS)
def test_every_kind_of_refusal_is_entered(ledger: Ledger, kind: type[EdgeError]) -> None:
    with pytest.raises(kind), recording_refusals(ledger, {}):
        raise kind("no")
    (entry,) = ledger.entries()
    assert entry.fields["error"] == kind.__name__


def test_a_refusal_names_nobody(ledger: Ledger) -> None:
    said = "the consent of Alice Li has expired; Alice may renew it"

    def refuse() -> None:
        with recording_refusals(ledger, {"purpose": "film"}, ("Alice", "")) as names:
            names.append("Alice Li")
            raise ConsentError(said)

    with pytest.raises(ConsentError, match="Alice Li"):
        refuse()
    text = ledger.path.read_text()
    assert "Alice" not in text
    assert "the consent of (name left out) has expired" in text


def test_a_refusal_stands_where_it_cannot_be_entered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise LedgerError("cannot use the ledger: no space left on device")

    monkeypatch.setattr(ledger, "refusal", full)
    with pytest.raises(ConsentError, match="refused: no"), recording_refusals(ledger, {}):
        raise ConsentError("refused: no")
