"""The identity that is baked into a model: whose it is, by whose leave, and what it feeds.

A baked model is a derivative of a person's embedding. So it is made only while the consent is in
force, says what it was made from, and goes when the identity is erased.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.cards import find_card
from edge.consent.canonical import FormError, is_hex, parse_utc, utc_now, utc_text
from edge.consent.erase import register_derivative
from edge.consent.identity import Identity, load_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_public_key
from edge.consent.permit import check_in_force
from edge.consent.policy import check_assurance, load_policy
from edge.consent.refusals import recording_refusals
from edge.consent.trust import assurance_of, load_trust
from edge.contracts import Card
from edge.errors import ConsentError, UsageError
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.sources import BAKED_IN, source_for
from edge.tensors import to_tensor
from quantize.contract import ModelContract
from quantize.errors import ContractError

__all__ = [
    "BakedIdentity",
    "HeldIdentity",
    "held_identity",
    "identity_in_force",
    "identity_to_bake",
    "register_baked",
    "stamp",
]

_METADATA = "edge_swap."


@dataclass(frozen=True, slots=True, eq=False)
class HeldIdentity:
    """Whose identity is in a model's weights.

    Attributes:
        commitment: of the identity, 64 hex digits; says nothing of the person by itself.
        consent_id: of the consent that covers it.
        not_after: when that consent ends, UTC.
    """

    commitment: str
    consent_id: str
    not_after: datetime.datetime

    def facts(self) -> dict[str, str]:
        """Return what a model and its report say of it: no name, no embedding."""
        return {
            "identity": self.commitment,
            "consent": self.consent_id,
            "not_after": utc_text(self.not_after),
        }


@dataclass(frozen=True, slots=True, eq=False)
class BakedIdentity(HeldIdentity):
    """An identity that becomes part of a model.

    Attributes:
        values: what the identity's input is fed: float32 (1, N), or (1, 3, S, S) for a model that
            takes a picture of the source.
    """

    values: NDArray[np.float32]


def identity_to_bake(
    path: Path,
    contract: ModelContract,
    *,
    model: Path | None = None,
    picture: Path | None = None,
    now: datetime.datetime | None = None,
) -> BakedIdentity:
    """Read an identity, check that its consent is in force, and return what it feeds the model.

    A refusal gets its line in the ledger, as that of a swap does.

    Args:
        path: the identity file.
        contract: of the model, with its emap when it has one.
        model: the model's file.
        picture: picture of the person, for a model that takes one; the consent must name it.
        now: the time, UTC; the clock's by default.

    Raises:
        ConsentError: the consent is revoked, expired, or not valid yet.
        IdentityError: the file is damaged, or of another recogniser than the model's.
        MediaError: the picture cannot be read.
        NoFaceError: it holds no face.
        UsageError: a picture is given to a model that takes none.
        PolicyError: this device's policy requires more than the consent has.
        ContractError: the model has no card, or no input for an identity.
    """
    card = contract.card
    if contract.identity_input is None:
        raise ContractError(
            "the model has no input for an identity, so nothing can be baked: leave out --bake"
        )
    if card is None or card.source is None:
        raise ContractError(
            "to bake an identity the model's card must say which recogniser it takes: "
            "give it with --card"
        )
    asked = {"command": "quantize --bake", "model": card.name}
    identity = identity_in_force(path, asked, now=now)
    with recording_refusals(Ledger(), asked, (identity.subject,)):
        values = _fed(card, contract, identity, model, picture)
    return BakedIdentity(
        commitment=identity.commitment,
        consent_id=identity.consent.id,
        not_after=identity.consent.not_after,
        values=values,
    )


def identity_in_force(
    path: Path, asked: Mapping[str, str], *, now: datetime.datetime | None = None
) -> Identity:
    """Read an identity that something is to be made from, and check that its consent is in force.

    A refusal gets its line in the ledger.

    Args:
        path: the identity file.
        asked: what it is wanted for, for the ledger.
        now: the time, UTC; the clock's by default.

    Raises:
        ConsentError: the consent is revoked, expired, or not valid yet.
        IdentityError: the file is damaged.
        PolicyError: this device's policy requires more than the consent has.
    """
    with recording_refusals(Ledger(), asked) as names:
        identity = load_identity(path)
        names.append(identity.subject)
        trust, consent = load_trust(), identity.consent
        whose = f"the consent of {consent.subject}"
        check_in_force(consent, whose, now=now or utc_now(), trust=trust)
        check_assurance(load_policy(), assurance_of(consent, trust, operator_public_key()), whose)
    return identity


def _fed(
    card: Card,
    contract: ModelContract,
    identity: Identity,
    model: Path | None,
    picture: Path | None,
) -> NDArray[np.float32]:
    """Return what the identity's input is fed; a picture is proved to be the person's."""
    source = card.source
    if source is None or source.picture is None:
        if picture is not None:
            raise UsageError(
                f"model {card.name} takes no source picture: leave out --source-picture"
            )
        recogniser = find_card(source.recogniser if source else "", "recogniser")
        embedding = identity.embedding_for(recogniser.name, recogniser.sha256)
        return contract.source_values(embedding)
    given = source_for(
        card,
        model or Path(card.file),
        identity,
        picture,
        detector=open_detector(threads=1),
        open_recogniser=partial(open_embedder, threads=1),
    )
    return to_tensor(np.asarray(given.value, np.uint8), source.picture)


def held_identity(
    model: onnx.ModelProto, where: str, *, now: datetime.datetime | None = None
) -> HeldIdentity | None:
    """Say whose identity a model holds already, by what `stamp` wrote into it.

    Args:
        model: the model.
        where: what to call it in messages.
        now: the time, UTC; the clock's by default.

    Returns:
        None where the model says nothing of an identity.

    Raises:
        ConsentError: the consent that it was made under has ended, or its marks are damaged.
    """
    facts = {entry.key: entry.value for entry in model.metadata_props}
    commitment = facts.get(BAKED_IN)
    if commitment is None:
        return None
    try:
        end = parse_utc(facts.get(f"{_METADATA}not_after", ""))
        if not is_hex(commitment, 64):
            raise FormError("its commitment is none")
    except FormError as error:
        raise ConsentError(
            f"refused: what {where} says of the identity in it is damaged ({error}): make it anew"
        ) from error
    if (now or utc_now()) > end:
        raise ConsentError(
            f"refused: the consent for the person in {where} expired on {utc_text(end)}; ask for a "
            "new one, and make the model anew"
        )
    return HeldIdentity(commitment, facts.get(f"{_METADATA}consent", ""), end)


def stamp(model: onnx.ModelProto, baked: HeldIdentity) -> None:
    """Write into a model's metadata, in place, what was baked into it."""
    facts = {f"{_METADATA}{key}": value for key, value in baked.facts().items()}
    for entry in list(model.metadata_props):
        if entry.key in facts:
            model.metadata_props.remove(entry)
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)


def register_baked(baked: HeldIdentity, path: Path) -> None:
    """Note that a file was made from an identity, so that erasing the one erases the other.

    Raises:
        OutputError: the note cannot be written.
    """
    register_derivative(baked.commitment, path)
