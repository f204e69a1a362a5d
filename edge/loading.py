"""From a card's name to a model that is open, fits its card, and says how it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.backends import Session, open_session
from edge.backends.base import CPU_PROVIDER
from edge.cards import Card, Kind
from edge.errors import ModelError
from edge.records import ModelUse
from edge.shelf import INSTALLED, Shelf


def open_card(
    name: str,
    kind: Kind,
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    shelf: Shelf = INSTALLED,
) -> tuple[Card, Session]:
    """Find a card, check its file, open it, and try it once where it is seen for the first time.

    Args:
        name: Card name.
        kind: What the model must be.
        backend: Engine.
        providers: Execution providers in order of preference.
        threads: Threads for one run; 0 leaves it to the engine.
        strict: Refuse to run on another provider than the first one.
        shelf: Where the model comes from.

    Returns:
        The card and the open session.

    Raises:
        ModelError: No such model, wrong kind, missing, wrong hash, or not loadable.
        BackendError: The engine or the provider is not there; or the model, seen here for the first
            time, fails its self-test.
    """
    from edge.selftest import check_model  # it stands on this module

    card = shelf.find(name, kind)
    path = shelf.locate(card)
    session = open_session(
        path, backend=backend, providers=providers, threads=threads, strict=strict
    )
    check_model(card, session)
    return card, session


def named(card: Card, name: str, names: Sequence[str]) -> str:
    """Return the name that an input or output has in the model.

    Args:
        card: The model's card.
        name: The name on the card; or its place, "#0" for the first one.
        names: The model's own names, in their order.

    Raises:
        ModelError: The model has none in that place.
    """
    if not name.startswith("#"):
        return name  # an empty name stays one: the card asks for nothing
    place = int(name[1:]) if name[1:].isdecimal() and len(name) < 5 else len(names)
    if place >= len(names):
        raise ModelError(
            f"model {card.name}: does not fit its card: nothing is in place {name} of "
            f"{', '.join(names)}"
        )
    return names[place]


def check_fit(card: Card, session: Session, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """Check that an open model has the inputs and outputs that its card needs.

    Raises:
        ModelError: One is missing, or there is an input that the card does not know.
    """
    needed = set(inputs)
    if needed != set(session.inputs):
        raise ModelError(
            f"model {card.name}: does not fit its card: inputs are {', '.join(session.inputs)}, "
            f"the card says {', '.join(sorted(needed))}"
        )
    missing = sorted(set(outputs) - set(session.outputs))
    if missing:
        raise ModelError(
            f"model {card.name}: does not fit its card: no output '{missing[0]}' "
            f"(outputs are {', '.join(session.outputs)})"
        )


def use_of(card: Card, session: Session) -> ModelUse:
    """Return the record of how a model runs, for manifest and ledger."""
    return ModelUse(
        name=card.name,
        kind=card.kind,
        sha256=card.sha256,
        precision=card.precision,
        backend=session.engine,
        provider=session.provider,
        engine_version=session.engine_version,
        licence=card.licence.name,
        commercial=card.licence.commercial,
    )
