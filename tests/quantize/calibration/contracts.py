"""Contracts to gather samples for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge.cards import find_card
from quantize.contract import ModelContract
from quantize.passes._infra.feeds import InputSpec


def swapper(**changes: Any) -> ModelContract:
    """Return the contract of the reference swapper, with changes."""
    card = find_card("ref_swapper")
    contract = ModelContract(
        card=card,
        inputs={
            "target": InputSpec("picture", 0.0, 1.0, (1, 3, 128, 128)),
            "source": InputSpec("unit", shape=(1, 512)),
        },
        target="target",
        source="source",
        picture="output",
        picture_range=(0.0, 1.0),
        mask="mask",
        derived=False,
    )
    return replace(contract, **changes)


def baked() -> ModelContract:
    """Return the same with an identity baked in: it is told of a target only."""
    return swapper(inputs={"target": swapper().inputs["target"]}, source=None)


def guessed(shape: tuple[int, ...] = (1, 3, 32, 48), **changes: Any) -> ModelContract:
    """Return the contract of a model without a card."""
    inputs = {
        "picture": InputSpec("picture", -1.0, 1.0, shape),
        "vector": InputSpec("unit", shape=(1, 7)),
    }
    return swapper(
        **{
            "card": None,
            "inputs": inputs,
            "target": "picture",
            "source": "vector",
            "derived": True,
            **changes,
        }
    )


def unknown_recogniser() -> ModelContract:
    """Return the contract of a swapper whose recogniser is not installed."""
    card = swapper().card
    assert card is not None
    assert card.source is not None
    return swapper(card=replace(card, source=replace(card.source, recogniser="somebody_elses")))
