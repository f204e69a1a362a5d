"""An identity becomes part of a model only while its consent is in force."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from edge.consent.canonical import utc_now
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.policy import policy_path
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import ConsentError, IdentityError, PolicyError
from quantize.baking import identity_to_bake, register_baked, stamp
from quantize.contract import ModelContract, contract_of
from quantize.errors import ContractError
from tests import tiny
from tests.quantize.cards import card_of, save
from tests.quantize.graphs import Sketch, reference_like
from tests.scene import Stage, stage


@pytest.fixture
def nobody(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "stage")


@pytest.fixture
def contract(tmp_path: Path) -> ModelContract:
    model = reference_like()
    return contract_of(model, card_of(save(model, tmp_path / "m.onnx")))


def refusals() -> list[str]:
    return [str(e.fields.get("error", "")) for e in Ledger().entries() if e.kind == "refusal"]


def test_what_is_baked_says_whose_it_is_and_nothing_more(
    nobody: Stage, contract: ModelContract
) -> None:
    baked = identity_to_bake(nobody.identity_file, contract)
    assert baked.values.shape == (1, 512)
    assert np.allclose(np.linalg.norm(baked.values), 1, atol=1e-6)
    facts = baked.facts()
    assert facts["identity"] == nobody.identity.commitment
    assert facts["consent"] == nobody.consent.id
    assert set(facts) == {"identity", "consent", "not_after"}
    assert nobody.consent.subject not in str(facts)
    assert refusals() == []


@pytest.mark.parametrize(("days", "words"), [(4000, "expired on"), (-4000, "is not valid yet")])
def test_outside_its_time_there_is_no_leave(
    days: int, words: str, nobody: Stage, contract: ModelContract
) -> None:
    moment = utc_now() + datetime.timedelta(days=days)
    with pytest.raises(ConsentError, match=words):
        identity_to_bake(nobody.identity_file, contract, now=moment)
    assert len(refusals()) == 1


def test_a_revoked_consent(nobody: Stage, contract: ModelContract) -> None:
    install_revocation(new_revocation(nobody.consent, operator_key(), load_trust(), "asked to"))
    with pytest.raises(ConsentError, match="was revoked"):
        identity_to_bake(nobody.identity_file, contract)
    assert len(refusals()) == 1


def test_a_policy_that_requires_more(nobody: Stage, contract: ModelContract) -> None:
    policy_path().parent.mkdir(parents=True, exist_ok=True)
    policy_path().write_text('require_assurance = "trusted-issuer"\n')
    policy_path().chmod(0o600)
    with pytest.raises(PolicyError, match="requires trusted-issuer"):
        identity_to_bake(nobody.identity_file, contract)


def test_an_identity_of_another_edition_of_the_recogniser(
    nobody: Stage, contract: ModelContract, edge_home: Path
) -> None:
    tiny.install_one(edge_home, "tiny_embedder", "recogniser", tiny.RECOGNISER, tiny.embedder(6))
    with pytest.raises(IdentityError, match="another edition of tiny_embedder"):
        identity_to_bake(nobody.identity_file, contract)


def test_what_is_no_identity(contract: ModelContract, nobody: Stage, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no identity at"):
        identity_to_bake(tmp_path / "absent", contract)


def test_without_a_card_nobody_knows_the_recogniser(nobody: Stage) -> None:
    with pytest.raises(ContractError, match="must say which recogniser"):
        identity_to_bake(nobody.identity_file, contract_of(reference_like()))


def test_a_model_without_a_source(nobody: Stage) -> None:
    s = Sketch()
    s.op("Sigmoid", s.conv(s.input("target", 1, 3, 8, 8), 3, 3), output="output")
    with pytest.raises(ContractError, match="no input for an identity"):
        identity_to_bake(nobody.identity_file, contract_of(s.model("output")))


def test_a_stamp_is_written_once(nobody: Stage, contract: ModelContract) -> None:
    baked, model = identity_to_bake(nobody.identity_file, contract), reference_like()
    stamp(model, baked)
    stamp(model, baked)
    assert [entry.key for entry in model.metadata_props] == [
        "edge_swap.identity",
        "edge_swap.consent",
        "edge_swap.not_after",
    ]


def test_erasing_the_identity_erases_what_was_made_from_it(
    nobody: Stage, contract: ModelContract, tmp_path: Path
) -> None:
    baked = identity_to_bake(nobody.identity_file, contract)
    made = tmp_path / "made.onnx"
    made.write_bytes(b"weights")
    register_baked(baked, made)
    assert derivatives_of(baked.commitment) == [made]
    erase_identity(nobody.identity_file, Ledger())
    assert not made.exists()
