"""The inputs that a model is calibrated and judged on.

Calibration samples say which values flow through a model; held-out samples say how good a converted
model is, and no calibration ever sees them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from quantize.errors import SamplesError
from quantize.passes._infra.feeds import Feeds, draw_feeds

if TYPE_CHECKING:
    from quantize.calibration.folders import TakenCrops
    from quantize.calibration.shipped import ShippedFace
    from quantize.contract import ModelContract

__all__ = [
    "Samples",
    "calibration_samples",
    "drawn_samples",
    "held_out_samples",
    "samples_of",
]

OUR_RECOGNISER = "ref_embedder"
"""Swappers that take its embeddings show the face part that the shipped truths show."""

_FEW = 8  # samples; below, the ranges are those of a few pictures
_APART = 1_000_003  # between the seeds of drawn calibration samples and held-out ones


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Inputs for a model, and where they come from.

    Attributes:
        feeds: One dict per sample with an array for every input of the model.
        origin: Where they come from, for people: "64 faces of nobody". Names no path.
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


def calibration_samples(
    contract: ModelContract,
    *,
    folder: Path | None = None,
    count: int = 32,
    seed: int = 0,
    threads: int = 1,
) -> Samples:
    """Gather what a model is calibrated on.

    1. Targets come from the folder where one is given (see `quantize.calibration.folders`), else
       from the shipped faces of nobody. Without card and folder, everything is drawn at random.
    2. A model that is told who to show is fed another identity with every sample: embeddings of
       shipped faces where its recogniser is at hand, else random vectors of unit length.

    Args:
        contract: Of the model.
        folder: Crops, pictures or videos; subfolders count.
        count: How many samples at most; 64 faces are shipped.
        seed: Of the choice and of the order.
        threads: Of detector and recogniser.

    Returns:
        The samples; `origin` and `notes` say what they are.

    Raises:
        SamplesError: The folder holds nothing that can be used, or an input is not understood.
    """
    _refuse_none(count)
    if folder is None and (contract.card is None or contract.target is None):
        return drawn_samples(contract, count, seed)
    from quantize.calibration.shipped import calibration_faces

    if folder is None:
        taken = _shipped_crops(contract, count, seed)
    else:
        taken = _folder_crops(contract, folder, count, seed, threads)
    faces = calibration_faces()
    order = _choice(len(faces), len(faces), seed)
    # Half way round the shipped identities: nobody of them is shown on their own head.
    others = [
        (order[i % len(faces)] + len(faces) // 2) % len(faces) for i in range(len(taken.crops))
    ]
    sources = _sources(contract, [(faces[i],) for i in others], seed, threads)
    return samples_of(
        _feeds(contract, taken.crops, sources.values, seed),
        _joined(taken.origin, sources.about),
        names=taken.names,
        notes=[*taken.notes, *sources.notes],
    )


def held_out_samples(
    contract: ModelContract, *, count: int = 16, seed: int = 1, threads: int = 1
) -> Samples:
    """Gather what a model is judged on; no calibration sample is among them, whatever the seeds.

    Targets are shipped faces of nobody, of other identities than those for calibration. A swapper
    that takes the embeddings of our own recogniser gets the exact truth of every swap with them.

    Args:
        contract: Of the model.
        count: How many samples at most; 24 are shipped.
        seed: Of the choice and of the order.
        threads: Of the recogniser.

    Returns:
        The samples, with `truths` where they are known; drawn at random for a model without a card.

    Raises:
        SamplesError: An input is not understood.
    """
    _refuse_none(count)
    if contract.card is None or contract.target is None:
        return drawn_samples(contract, count, seed + _APART)
    from quantize.calibration.inputs import crop_of, truth_of
    from quantize.calibration.shipped import held_out_swaps

    swaps = held_out_swaps()
    picked = [swaps[i] for i in _choice(len(swaps), count, seed)]
    crops = [crop_of(contract, swap.target.frame(), swap.target.face) for swap in picked]
    sources = _sources(contract, [swap.sources for swap in picked], seed, threads)
    truths = None
    if sources.embedded == OUR_RECOGNISER:
        # Cut where the target's crop is: a swap never moves the crop.
        cut = [crop_of(contract, swap.truth.frame(), swap.target.face) for swap in picked]
        truths = [truth_of(crop) for crop in cut]
    return samples_of(
        _feeds(contract, crops, sources.values, seed),
        _joined(f"{len(crops)} held-out faces of nobody", sources.about),
        truths=truths,
        names=[swap.target.name.removesuffix("-target") for swap in picked],
        notes=sources.notes,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sources:
    """Who is to be shown: per sample float32 (1, N); nothing for a model that is not told."""

    values: tuple[NDArray[np.float32], ...] = ()
    about: str = ""
    notes: tuple[str, ...] = ()
    embedded: str = ""  # by which recogniser


def _sources(
    contract: ModelContract,
    people: Sequence[Sequence[ShippedFace]],
    seed: int,
    threads: int,
) -> _Sources:
    from quantize.calibration.inputs import embedded_sources, open_recogniser, unit_sources

    if contract.source is None:
        return _Sources()
    embedder, why = open_recogniser(contract, threads)
    if embedder is None:
        note = f"sources are random vectors of unit length, since no recogniser is at hand: {why}"
        drawn = unit_sources(contract, len(people), seed)
        return _Sources(drawn, f"{len(people)} random vectors as sources", (note,))
    values = embedded_sources(contract, embedder, people)
    about = f"sources embedded by {embedder.card.name}"
    return _Sources(values, about, (), embedder.card.name)


def _shipped_crops(contract: ModelContract, count: int, seed: int) -> TakenCrops:
    from quantize.calibration.folders import TakenCrops
    from quantize.calibration.inputs import crop_of
    from quantize.calibration.shipped import calibration_faces

    faces = calibration_faces()
    chosen = [faces[i] for i in _choice(len(faces), count, seed)]
    crops = tuple(crop_of(contract, one.frame(), one.face) for one in chosen)
    names = tuple(one.name for one in chosen)
    return TakenCrops(crops, names, f"{len(crops)} faces of nobody", ())


def _folder_crops(
    contract: ModelContract, folder: Path, count: int, seed: int, threads: int
) -> TakenCrops:
    from quantize.calibration.folders import crops_in

    taken = crops_in(folder, contract, count=count, seed=seed, threads=threads)
    if len(taken.crops) >= _FEW:
        return taken
    note = f"only {len(taken.crops)} to calibrate on: {_FEW} or more give safer ranges"
    return replace(taken, notes=(*taken.notes, note))


def _feeds(
    contract: ModelContract,
    crops: Sequence[NDArray[np.uint8]],
    sources: Sequence[NDArray[np.float32]],
    seed: int,
) -> list[Feeds]:
    """Join targets and sources; an input that is neither is drawn at random."""
    from quantize.calibration.inputs import target_tensor

    ours = {name for name in (contract.target, contract.source) if name}
    feeds: list[Feeds] = [{} for _ in crops]
    if set(contract.inputs) - ours:
        feeds = [dict(one) for one in drawn_samples(contract, len(crops), seed).feeds]
    for index, (one, crop) in enumerate(zip(feeds, crops, strict=True)):
        if contract.target is not None:
            one[contract.target] = target_tensor(contract, crop)
        if contract.source is not None:
            one[contract.source] = sources[index]
    return feeds


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _choice(available: int, count: int, seed: int) -> list[int]:
    """Pick as many as there are of `count` things, in a seeded random order."""
    order = np.random.default_rng((seed, 23)).permutation(available)
    return [int(index) for index in order[:count]]


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
