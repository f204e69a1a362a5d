"""What stands beside a manifest holds only as far as a manifest that holds confirms it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.evidence.gather import Evidence
from edge.evidence.traces import implicit, ledger
from edge.provenance.findings import Integrity
from edge.provenance.verdict import Agreement
from tests.edge.evidence.conftest import Gathered, Swapped


@pytest.fixture
def own(swapped: Swapped, gathered: Gathered) -> Evidence:
    """Evidence about an output of ours."""
    return gathered(swapped("png"))


def _of_others(own: Evidence, agreement: Agreement, *, output_id: str | None = None) -> Evidence:
    """Return the evidence as of a file whose manifest states no implicit label."""
    claims = own.verdict.claims
    assert claims is not None
    claims = replace(claims, implicit_label=None, output_id=output_id)
    return replace(own, verdict=replace(own.verdict, claims=claims, agreement=agreement))


def test_a_label_that_no_manifest_confirms(own: Evidence) -> None:
    assert implicit(own).state == "holds"
    alone = implicit(_of_others(own, Agreement(None, made_by_ai=True)))
    assert (alone.state, alone.found.en) == (
        "note",
        "Present, but the manifest says nothing of it.",
    )
    assert alone.found.zh
    named = implicit(_of_others(own, Agreement(produce_id=True, made_by_ai=True), output_id="x"))
    assert named.state == "holds"


@pytest.mark.parametrize("produce_id", [None, True])
@pytest.mark.parametrize("integrity", ["intact", "tampered"])
def test_a_label_that_the_manifest_contradicts(
    own: Evidence, produce_id: bool | None, integrity: Integrity
) -> None:
    evidence = _of_others(own, Agreement(produce_id, made_by_ai=False))
    evidence = replace(evidence, verdict=replace(evidence.verdict, integrity=integrity))
    found = implicit(evidence)
    assert found.state == "fails"
    assert "disagree on whether AI made it" in found.found.en


def test_a_ledger_that_nobody_known_has_signed(own: Evidence) -> None:
    assert own.ledger is not None
    assert ledger(own).state == "holds"
    assert ledger(replace(own, ledger=replace(own.ledger, signer_known=True))).state == "holds"
    found = ledger(replace(own, ledger=replace(own.ledger, signer_known=False)))
    assert found.state == "note"
    assert "Nobody whom this device trusts has signed it" in found.found.en
    assert "签署账本者不为本设备所知" in found.found.zh
