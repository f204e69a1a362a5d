"""An identity becomes part of a model only while its consent is in force."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.adding import add_model
from edge.cards import find_card
from edge.consent.canonical import utc_now
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.policy import policy_path
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import ConsentError, IdentityError, PolicyError, UsageError
from edge.faces.detect import open_detector
from edge.swap import Swapper
from quantize.baking import held_identity, identity_to_bake, register_baked, stamp
from quantize.contract import ModelContract, contract_of
from quantize.errors import ContractError
from quantize.modelfile import load_model
from quantize.prepare import prepare
from quantize.targets import load_target
from tests import families, tiny
from tests.quantize.cards import card_of, save
from tests.quantize.graphs import Sketch, reference_like
from tests.scene import ENGINES, Stage, stage, target, write


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


def test_a_stamp_is_read_again(nobody: Stage, contract: ModelContract) -> None:
    baked, model = identity_to_bake(nobody.identity_file, contract), reference_like()
    assert held_identity(model, "m.onnx") is None
    stamp(model, baked)
    held = held_identity(model, "m.onnx")
    assert held is not None
    assert held.facts() == baked.facts()


def test_a_stamp_whose_time_is_over(nobody: Stage, contract: ModelContract) -> None:
    baked, model = identity_to_bake(nobody.identity_file, contract), reference_like()
    stamp(model, baked)
    later = baked.not_after + datetime.timedelta(seconds=1)
    with pytest.raises(ConsentError, match=r"the person in m\.onnx expired on"):
        held_identity(model, "m.onnx", now=later)


@pytest.mark.parametrize(
    ("key", "value"), [("identity", "nobody"), ("not_after", "never"), ("not_after", None)]
)
def test_a_damaged_stamp(
    key: str, value: str | None, nobody: Stage, contract: ModelContract
) -> None:
    model = reference_like()
    stamp(model, identity_to_bake(nobody.identity_file, contract))
    entry = next(each for each in model.metadata_props if each.key == f"edge_swap.{key}")
    if value is None:
        model.metadata_props.remove(entry)
    else:
        entry.value = value
    with pytest.raises(ConsentError, match="is damaged"):
        held_identity(model, "m.onnx")


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


# A picture of the source ------------------------------------------------------------------------

PICTURE_CARD = """
[input]
name = "target"
shape = [1, 3, 224, 224]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
name = "output"
range = [0.0, 1.0]
channels = "RGB"
mask = "mask"
composited = true

[source]
kind = "picture"

[source.input]
name = "source"
shape = [1, 3, 112, 112]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[source.crop]
template = "arcface_112_v2"
size = 112
fit = "affine"

[crop]
template = "arcface_112_v2"
size = 224
fit = "affine"
"""


@pytest.fixture
def mobile(nobody: Stage, edge_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a model that makes its weights of a picture; return its file."""
    monkeypatch.setattr(
        "quantize.baking.open_detector", lambda **options: open_detector("tiny_detector", **options)
    )
    data = families.mobilefaceswap_open().SerializeToString()
    return tiny.install_one(edge_home, "mobile", "swapper", PICTURE_CARD, data)


def test_a_network_is_compiled_for_an_identity(
    mobile: Path, nobody: Stage, edge_home: Path, tmp_path: Path
) -> None:
    """As the open one with the same picture: crop, mean and spread, weights and all."""
    photo = nobody.folder / "photo.png"
    done = prepare(
        load_model(mobile),
        load_target("x86_cpu"),
        card=find_card("mobile"),
        bake=nobody.identity_file,
        source_picture=photo,
    )
    assert done.original.identity_input == "source"
    assert done.contract.identity_input is None
    assert [value.name for value in done.model.graph.input] == ["target"]
    stored = {tensor.name for tensor in done.model.graph.initializer}
    weights = [node.input[1] for node in done.model.graph.node if node.op_type == "Conv"]
    assert len(weights) == 9
    assert set(weights) <= stored  # NNAPI, XNNPACK and TensorRT's int8 take no others

    path = tmp_path / "nobody.onnx"
    path.write_bytes(done.model.SerializeToString())
    record = {
        "schema": "edge-swap/conversion-1",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "card": "mobile",
    }
    path.with_name("nobody.onnx.json").write_text(json.dumps(record), encoding="utf-8")
    added = add_model(path)
    assert derivatives_of(nobody.identity.commitment) == [added.path]
    swapped = []
    for model, picture in (("mobile", photo), ("nobody", None)):
        swapper = Swapper(
            nobody.identity,
            purpose="film",
            target_is="synthetic",
            source_picture=picture,
            engines=replace(ENGINES, model=model),
        )
        # Before label and watermark: the watermark differs from output to output.
        work = target()
        swapper._swap_into(work, swapper.find(work))
        swapped.append(work.astype(int))
    assert np.abs(swapped[0] - swapped[1]).max() <= 1
    assert np.abs(swapped[0] - target()).max() > 20


def test_a_picture_must_be_the_person_s(mobile: Path, nobody: Stage) -> None:
    model, card = load_model(mobile), find_card("mobile")
    contract = contract_of(model.model, card)
    other = write(nobody.folder / "other.png", target((240, 240), ((14, 14),)) // 2)
    for picture, words in ((None, "with --source-picture FILE"), (other, "does not name")):
        with pytest.raises(ConsentError, match=words):
            identity_to_bake(nobody.identity_file, contract, model=mobile, picture=picture)
    assert len(refusals()) == 2


def test_a_model_of_embeddings_takes_no_picture(nobody: Stage, contract: ModelContract) -> None:
    with pytest.raises(UsageError, match="takes no source picture"):
        identity_to_bake(nobody.identity_file, contract, picture=nobody.folder / "photo.png")
