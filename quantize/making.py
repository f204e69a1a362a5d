"""From the prepared float model to the precision that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import onnx

from quantize.budget import Budget
from quantize.errors import BudgetError
from quantize.memory import give_back
from quantize.naming import shorten_names
from quantize.passes import run_passes
from quantize.prepare import Prepared, finishing_passes
from quantize.settings import MADE_AS, Progress, Settings
from quantize.targets import TargetProfile

if TYPE_CHECKING:
    from quantize.calibrate import Ranges
    from quantize.contract import ModelContract
    from quantize.int8 import Int8Model
    from quantize.recipes import Recipe
    from quantize.samples import Samples
    from quantize.search import Found
    from quantize.sensitivity import Layer

SEARCH_SAMPLES = 12
"""Samples that a search tries sets of float layers on."""
_FEWEST = 4
_FLOAT_WEIGHTS = (
    "the weights of layers that are not quantized stay float: in 8 bits, they miss the budget"
)
_REDUCED = (
    "weights take fewer steps than the recipe says (reduce_range): with all 8 bits, this "
    "processor's kernels saturate"
)
_SAME_BITS = "every processor gives the same bits: all sums are of whole numbers"
_OTHER_BITS = "processors differ in the last bits, because"

__all__ = ["Made", "Material", "make"]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a model is converted with.

    Attributes:
        prepared: the float model.
        profile: of the target.
        budget: that the worst picture must keep; None where none was asked for.
        reduce_range: whether weights take 7 bits whatever the recipe says: kernels that saturate
            were found.
        balanced: what an earlier attempt said of balancing the model's channels: that is done once,
            in place.
    """

    prepared: Prepared
    profile: TargetProfile
    budget: Budget | None
    reduce_range: bool = False
    balanced: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A model in its new precision, not yet in its new format.

    Attributes:
        model: ONNX.
        calibrated_on: where the calibration samples came from; empty where none were needed.
        recipe: how int8 was made; None otherwise.
        quantized: names of the layers that became 8-bit.
        float_layers: names of the layers that could have, and did not.
        kept_float: why a node of a half-precision model stayed float32, by name.
        found: what the search for a budget came to; None without one.
        notes: what else there is to know, one sentence each.
        balanced: which channels were balanced, one sentence; empty where none were.
    """

    model: onnx.ModelProto
    calibrated_on: str = ""
    recipe: Recipe | None = None
    quantized: tuple[str, ...] = ()
    float_layers: tuple[str, ...] = ()
    kept_float: Mapping[str, str] = field(default_factory=dict)
    found: Found | None = None
    notes: tuple[str, ...] = ()
    balanced: str = ""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The quantizable layers and how sensitive they are; empty where nobody asked."""
        return self.found.layers if self.found is not None else ()


def make(settings: Settings, material: Material, progress: Progress) -> Made:
    """Convert the prepared model.

    Args:
        settings: what was asked for.
        material: what it is made of.
        progress: told of each step.

    Raises:
        BudgetError: no set of float layers meets the budget; says how near it came, and with what.
        QuantizeError: it cannot be converted, or calibrated.
    """
    model = material.prepared.model
    if settings.precision == "fp32" or settings.form in MADE_AS:
        # The converters of those formats store weights as they are asked to, and compute in float.
        return Made(model)
    if settings.precision == "w8":
        from quantize.w8 import to_w8

        return Made(to_w8(model))
    if settings.precision == "fp16":
        return _half(settings, material, progress)
    return _integer(settings, material, progress)


def _half(settings: Settings, material: Material, progress: Progress) -> Made:
    if settings.form == "tflite":
        # Its weights alone are half precision: it computes in float32, so nothing can overflow.
        return Made(material.prepared.model)
    if material.profile.half == "stored":
        from quantize.fp16_storage import to_stored_half

        return Made(to_stored_half(material.prepared.model))
    from quantize.fp16 import to_fp16

    samples = _samples(settings, material.prepared, progress)
    ranges = _ranges(settings, material.prepared, samples, progress)
    made = to_fp16(material.prepared.model, ranges)
    return Made(
        made.model,
        calibrated_on=samples.origin,
        kept_float=dict(made.kept_float),
        notes=samples.notes,
    )


def _samples(settings: Settings, prepared: Prepared, progress: Progress) -> Samples:
    from quantize.samples import calibration_samples

    progress("samples", 0, 1)
    return calibration_samples(
        prepared.contract,
        folder=settings.calibration,
        count=settings.count,
        threads=settings.threads,
    )


def _ranges(settings: Settings, prepared: Prepared, samples: Samples, progress: Progress) -> Ranges:
    from quantize.calibrate import calibrate

    # Ranges of a baked model tell of the person: nothing of them is kept. Who is in a model that
    # takes no source may be said nowhere.
    told = prepared.baked is None and prepared.contract.identity_input is not None
    cache: Literal["default"] | None = "default" if told else None
    return calibrate(
        prepared.model,
        samples,
        threads=settings.threads,
        cache=cache,
        progress=lambda done, total: progress("calibrating", done, total),
    )


def _equalised(
    settings: Settings,
    material: Material,
    samples: Samples,
    ranges: Ranges,
    recipe: Recipe,
    progress: Progress,
) -> tuple[Ranges, str]:
    """Balance channels where the recipe wants it; return the ranges then, and a note."""
    if not recipe.equalise or material.balanced:
        return ranges, material.balanced
    from quantize.equalise import equalise

    progress("equalising", 0, 1)
    prepared, bits = material.prepared, 7 if recipe.reduce_range else 8
    scaled = equalise(prepared.model, ranges, per_channel=recipe.per_channel, bits=bits)
    if not scaled:
        return ranges, ""
    # The values between the layers have changed.
    ranges = _ranges(settings, prepared, samples, progress)
    return ranges, f"the channels of {len(scaled)} layers were balanced"


def _integer(settings: Settings, material: Material, progress: Progress) -> Made:
    from quantize.int8 import to_int8
    from quantize.recipes import load_recipe

    profile, prepared = material.profile, material.prepared
    recipe = load_recipe(settings.recipe or profile.recipe("int8", settings.form))
    reduced = material.reduce_range and not recipe.reduce_range
    if reduced:
        recipe = replace(recipe, reduce_range=True)
    if settings.form == "ort":  # such a file holds what is made of them at load, which is float
        recipe = replace(recipe, float_weights="float")
    samples = _samples(settings, prepared, progress)
    ranges = _ranges(settings, prepared, samples, progress)
    ranges, balanced = _equalised(settings, material, samples, ranges, recipe, progress)
    said = (balanced, _REDUCED if reduced else "")
    origin, notes = samples.origin, (*samples.notes, *(each for each in said if each))
    if material.budget is None:
        progress("quantizing", 0, 1)
        made = to_int8(prepared.model, ranges, recipe)
        notes = (*notes, *_whole(made, prepared, ranges))
        shorten_names(made.model)
        return Made(
            _finished(settings, material, made.model),
            calibrated_on=origin,
            recipe=recipe,
            quantized=made.quantized,
            float_layers=made.left_float,
            notes=notes,
            balanced=balanced,
        )
    found, lifted = _within(settings, material, ranges, recipe, material.budget, progress)
    if lifted:
        recipe, notes = found.int8.recipe, (*notes, _FLOAT_WEIGHTS)
    notes = (*notes, *_whole(found.int8, prepared, ranges))
    shorten_names(found.int8.model)
    return Made(
        _finished(settings, material, found.int8.model),
        calibrated_on=origin,
        recipe=recipe,
        quantized=found.int8.quantized,
        float_layers=found.int8.left_float,
        found=found,
        notes=notes,
        balanced=balanced,
    )


def _whole(made: Int8Model, prepared: Prepared, ranges: Ranges) -> tuple[str, ...]:
    """Let what is float compute on whole numbers where the recipe wants it; return notes."""
    if not made.recipe.whole_sums:
        return ()
    from quantize.whole_sums import with_whole_sums

    left = with_whole_sums(made.model, prepared.model, ranges).left
    if not left:
        return (_SAME_BITS,)
    names = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
    return (f"{_OTHER_BITS} {len(left)} layers are float: {names}",)


def _finished(settings: Settings, material: Material, model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite a quantized model where its target wants that: the choice of layers is made."""
    passes = finishing_passes(material.profile, settings.form, settings.precision)
    if not passes:
        return model
    specs = material.prepared.contract.inputs
    return run_passes(model, passes, inputs=specs, samples=1, threads=settings.threads).model


def _within(
    settings: Settings,
    material: Material,
    ranges: Ranges,
    recipe: Recipe,
    budget: Budget,
    progress: Progress,
) -> tuple[Found, bool]:
    """Search within a budget; where no set of layers meets it, again with float weights.

    What 8-bit weights cost that are computed with in float, no choice of float layers can undo.

    Returns:
        What was found, and whether all that is not quantized kept its weights for it.

    Raises:
        BudgetError: nothing meets the budget.
    """
    found = _searched(settings, material, ranges, recipe, budget, progress)
    if found.met:
        return found, False
    if "w8" in (recipe.gemm_weights, recipe.float_weights):
        lighter = replace(recipe, gemm_weights="float", float_weights="float")
        other = _searched(settings, material, ranges, lighter, budget, progress)
        if other.met:
            return other, True
        if budget.reached(other.scores) > budget.reached(found.scores):
            found = other
    raise BudgetError(unreached(budget, found))


def _searched(
    settings: Settings,
    material: Material,
    ranges: Ranges,
    recipe: Recipe,
    budget: Budget,
    progress: Progress,
) -> Found:
    from quantize.search import search

    contract = material.prepared.contract
    give_back()  # calibration has just let go of as much as the search will want
    return search(
        material.prepared.model,
        ranges,
        recipe,
        search_samples(settings, contract),
        contract,
        budget,
        kernels=material.profile.kernels,
        threads=settings.threads,
        progress=progress,
    )


def search_samples(settings: Settings, contract: ModelContract) -> Samples:
    """Return what a search chooses float layers by.

    These are faces that neither calibration nor the final judgement sees: a choice that is judged
    on what it was made by looks better than it is.

    Args:
        settings: what was asked for.
        contract: of the model.
    """
    from quantize.samples import calibration_samples, samples_of

    given = settings.calibration is not None
    skipped = 0 if given else settings.count  # calibration took these of the shipped faces
    both = calibration_samples(contract, count=skipped + SEARCH_SAMPLES, threads=settings.threads)
    left = both.feeds[skipped:]
    if len(left) < _FEWEST:  # calibration took nearly all there are: share with it
        left = both.feeds[-SEARCH_SAMPLES:]
    return samples_of(left, f"{len(left)} of {both.origin}")


def unreached(budget: Budget, found: Found) -> str:
    """Say how near a search came to its budget, and with what."""
    reached = budget.reached(found.scores)
    floats, all_of = found.int8.left_float, len(found.int8.quantized) + len(found.int8.left_float)
    names = ", ".join(floats[:3]) + (", ..." if len(floats) > 3 else "")
    kept = f"{len(floats)} of {all_of} layers float" + (f" ({names})" if floats else "")
    return (
        f"the budget {budget} cannot be met: the nearest is {budget.metric} {reached:.4g} on the "
        f"worst {budget.held_by(found.scores)}, with {kept}; ask for less, or take --precision fp16"
    )
