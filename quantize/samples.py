"""The inputs that a model is calibrated and judged on.

Calibration samples say which values flow through a model; held-out samples say how good a converted
model is, and no calibration ever sees them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from quantize.errors import SamplesError
from quantize.passes._infra.feeds import Feeds, draw_feeds

if TYPE_CHECKING:
    from quantize.contract import ModelContract

__all__ = ["Samples", "drawn_samples", "samples_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Inputs for a model, and where they come from.

    Attributes:
        feeds: One dict per sample with an array for every input of the model.
        origin: Where they come from, for people: "64 faces of nobody".
        digest: Hex SHA-256 of the arrays; two sets with the same digest hold the same inputs.
        truths: Per sample the picture that a perfect model would give, float32 (1, 3, H, W) RGB in
            [0, 1]; None where nobody knows it.
        names: Per sample a short name for people; empty where they have none.
        notes: What was left out and why, one sentence each.
    """

    feeds: tuple[Feeds, ...]
    origin: str
    digest: str
    truths: tuple[NDArray[np.float32], ...] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.feeds)


def samples_of(
    feeds: Sequence[Feeds],
    origin: str,
    *,
    truths: Sequence[NDArray[np.float32]] | None = None,
    names: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Samples:
    """Join inputs to samples and compute their digest; see `Samples` for the arguments."""
    digest = hashlib.sha256()
    for number, one in enumerate(feeds):
        for name in sorted(one):
            array = np.ascontiguousarray(one[name])
            digest.update(f"{number} {name} {array.dtype.str} {array.shape};".encode())
            digest.update(array.tobytes())
    return Samples(
        feeds=tuple(feeds),
        origin=origin,
        digest=digest.hexdigest(),
        truths=None if truths is None else tuple(truths),
        names=tuple(names),
        notes=tuple(notes),
    )


def drawn_samples(contract: ModelContract, count: int, seed: int) -> Samples:
    """Draw samples for a model of which no card tells anything; the same for the same seed.

    Pictures are smooth random ones, vectors are of unit length: see `InputSpec`.

    Args:
        contract: Of the model; its inputs state their shapes.
        count: How many samples.
        seed: Of the random numbers.

    Returns:
        float32 inputs in the ranges that the contract states.

    Raises:
        SamplesError: The shape of an input is not known, or `count` is below 1.
    """
    _refuse_none(count)
    graph = helper.make_graph(
        [], "inputs", [_declared(contract, name) for name in contract.inputs], []
    )
    drawn = draw_feeds(helper.make_model(graph), contract.inputs, count=count, seed=seed)
    return samples_of(drawn, f"{count} sets of random smooth pictures and vectors (seed {seed})")


def _declared(contract: ModelContract, name: str) -> onnx.ValueInfoProto:
    shape = contract.inputs[name].shape
    if shape is None:
        raise SamplesError(
            f"the shape of input {name!r} is not known: state it in the model's card"
        )
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _refuse_none(count: int) -> None:
    if count < 1:
        raise SamplesError(f"{count} samples were asked for, but at least 1 is needed")
