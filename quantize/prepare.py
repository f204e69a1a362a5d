"""From a model file to the graph that all precisions start from, rewritten for one target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.cards_swap import IN_MODEL
from edge.contracts import Card
from edge.emap import load_emap
from quantize.baking import HeldIdentity, held_identity, identity_to_bake, stamp
from quantize.contract import ModelContract, contract_of, input_specs
from quantize.errors import ContractError, PassError, TargetError
from quantize.modelfile import ModelFile, name_nodes
from quantize.passes import (
    STANDARD,
    BlockedResize,
    ConcatApart,
    ConvTransposeToConv,
    DepthToSpaceCrd,
    DepthToSpaceDcr,
    EdgePad,
    FewOutputs,
    InputSpec,
    LeakyReluMax,
    LiftEmap,
    ModulatedWeights,
    Pass,
    PreluExact,
    PreluFused,
    ReciprocalToDiv,
    ReflectPad,
    Rewritten,
    SigmoidToTanh,
    StaticShapes,
    Step,
    UnevenSplit,
    UnfuseInstanceNorm,
    VectorsTogether,
    WeightsAtLoad,
    Winograd,
    bake_identity,
    run_passes,
)
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import model_bytes, shape_of
from quantize.targets import Format, TargetProfile

__all__ = ["TARGET_PASSES", "Prepared", "finishing_passes", "prepare", "target_passes"]

TARGET_PASSES: Mapping[str, Callable[[], Pass]] = {
    "blocked_resize": BlockedResize,
    "concat_apart": ConcatApart,
    "convtranspose": ConvTransposeToConv,
    "depth_to_space_crd": DepthToSpaceCrd,
    "depth_to_space_dcr": DepthToSpaceDcr,
    "edge_pad": EdgePad,
    "few_outputs": FewOutputs,
    "leaky_relu_max": LeakyReluMax,
    "modulated_weights": ModulatedWeights,
    "prelu_exact": PreluExact,
    "prelu_fused": PreluFused,
    "reciprocal_to_div": ReciprocalToDiv,
    "reflect_pad": ReflectPad,
    "sigmoid_to_tanh": SigmoidToTanh,
    "uneven_split": UnevenSplit,
    "unfuse_instance_norm": UnfuseInstanceNorm,
    "vectors_together": VectorsTogether,
    "weights_at_load": WeightsAtLoad,
    "winograd": Winograd,
}
"""The rewrites that a target's profile can ask for, by name."""

_ONE_SAMPLE_FROM = 200_000_000
"""Bytes of a model from which the rewrites are checked on one set of inputs instead of two."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model that is ready to be converted.

    Attributes:
        model: static, cleaned, fused, baked where that was asked for, rewritten for the target;
            every node has a name.
        contract: what it takes and gives now.
        original: what the untouched model takes and gives, with sizes fixed.
        steps: what each rewrite did, in order.
        difference: how much all of them together changed the outputs: largest absolute
            difference, relative to the largest output where that exceeds 1.
        emap: the matrix that was lifted out, or that the card says lies beside the model, float32
            (N, N); None where there is none.
        baked: the identity that is part of it, now or since before; or None.
        fed: what the identity's input was fed where one was baked in just now; or None.
    """

    model: onnx.ModelProto
    contract: ModelContract
    original: ModelContract
    steps: tuple[Step, ...]
    difference: float
    emap: NDArray[np.float32] | None
    baked: HeldIdentity | None
    fed: NDArray[np.float32] | None = None


def target_passes(
    profile: TargetProfile, form: Format, precision: str = "fp32"
) -> tuple[Pass, ...]:
    """Return the rewrites that a target wants for a format and a precision, in order.

    Raises:
        TargetError: its profile names one that does not exist.
    """
    return _passes_named(profile, profile.rewrites(form, precision))


def finishing_passes(
    profile: TargetProfile, form: Format, precision: str = "int8"
) -> tuple[Pass, ...]:
    """Return the rewrites that a target wants for a model that has its precision already.

    Raises:
        TargetError: its profile names one that does not exist.
    """
    return _passes_named(profile, profile.finishes(form, precision))


def _passes_named(profile: TargetProfile, names: Sequence[str]) -> tuple[Pass, ...]:
    unknown = [name for name in names if name not in TARGET_PASSES]
    if unknown:
        raise TargetError(
            f"target {profile.name} asks for the pass '{unknown[0]}', which does not exist; "
            f"known: {', '.join(sorted(TARGET_PASSES))}"
        )
    return tuple(TARGET_PASSES[name]() for name in names)


def prepare(
    file: ModelFile,
    profile: TargetProfile,
    form: Format = "onnx",
    precision: str = "fp32",
    *,
    card: Card | None = None,
    bake: Path | None = None,
    source_picture: Path | None = None,
    threads: int = 1,
    progress: Callable[[Step], None] | None = None,
) -> Prepared:
    """Rewrite a model for a target, with a check after every step.

    Args:
        file: the model; it is edited in place.
        profile: of the target.
        form: what will be written.
        precision: what it is prepared for.
        card: the model's card.
        bake: identity file whose person becomes part of the model.
        source_picture: picture of that person, for a model that takes one.
        threads: of the engine that checks.
        progress: called after each step.

    Returns:
        The prepared model.

    Raises:
        GraphError: the model is broken: it gives values that are no numbers, for one.
        ContractError: the card does not fit, or a size is open that neither it nor the model fixes.
        PassError: a rewrite failed its check.
        ConsentError: an identity is to be baked whose consent is not in force; or the model holds
            one whose consent has ended.
        ModelError: the emap that the card names is missing, or another one.
    """
    own = target_passes(profile, form, precision)
    model = file.model
    samples = 1 if model_bytes(model) > _ONE_SAMPLE_FROM else 2
    stated = input_specs(model, card)
    sizes = _sizes(model, stated, card)

    def run(passes: Sequence[Pass], specs: Mapping[str, InputSpec]) -> Rewritten:
        return run_passes(
            model, passes, inputs=specs, samples=samples, threads=threads, progress=progress
        )

    try:
        with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
            side = Path(folder) / "emap.npy"
            first = run((LiftEmap(side), StaticShapes(sizes)), stated)
            lifted = np.load(side, allow_pickle=False) if side.exists() else None
            emap = _emap_beside(card, file.path) if lifted is None else lifted
        second = run(STANDARD, stated)
        original = contract_of(model, card, emap=emap)
        held, fed = held_identity(model, file.path.name), None
        fixed: tuple[Pass, ...] = ()
        if bake is not None:
            baked = identity_to_bake(bake, original, model=file.path, picture=source_picture)
            held, fed = baked, baked.values
            fixed = bake_identity({str(original.identity_input): fed})
        third = run((*fixed, *own), original.inputs)
    except PassError as error:
        raise type(error)(f"{file.path.name}: {error}") from error
    name_nodes(model)
    if held is not None:
        stamp(model, held)
    return Prepared(
        model=model,
        contract=contract_of(model, card, emap=emap),
        original=original,
        steps=(*first.steps, *second.steps, *third.steps),
        difference=max(first.difference, second.difference, third.difference),
        emap=emap,
        baked=held,
        fed=fed,
    )


def _emap_beside(card: Card | None, model: Path) -> NDArray[np.float32] | None:
    """Return the emap that a card says lies in a file beside the model."""
    beside = card is not None and card.source is not None and card.source.emap not in ("", IN_MODEL)
    return load_emap(card, model) if card is not None and beside else None


def _sizes(
    model: onnx.ModelProto, specs: Mapping[str, InputSpec], card: Card | None
) -> dict[str, tuple[int, ...]]:
    """Return the shape of every input that is fixed, and refuse those that nobody fixes."""
    sizes: dict[str, tuple[int, ...]] = {}
    for value in inputs_of(model):
        declared, given = shape_of(value), specs[value.name].shape
        if given is not None:
            sizes[value.name] = given
        elif declared is None or None in declared[1:]:
            shown = [size or "?" for size in declared or ()]
            where = "its card leaves them open too" if card else "there is no card"
            raise ContractError(
                f"input '{value.name}' has open sizes {shown} and {where}: "
                "state them as [input] shape in the card"
            )
    return sizes
