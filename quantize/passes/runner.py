"""Run passes one after the other, and hold each to what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.errors import DriftError, GraphError, PassError, PostconditionError, QuantizeError
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.feeds import Feeds, InputSpec, default_spec, draw_feeds
from quantize.passes._infra.model import inputs_of, opset_of, refuse_absent_weights
from quantize.passes._infra.shapes import check_model
from quantize.passes.base import Pass

Outputs = list[dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass did.

    Attributes:
        name: of the pass.
        changed: whether it edited anything.
        difference: how much the outputs changed, measured as `Pass.tolerance` says; 0 when the
            pass changed nothing.
        tolerance: what the pass allows itself.
        nodes_before: nodes of the main graph before it.
        nodes_after: and after it.
        seconds: wall time with all checks.
    """

    name: str
    changed: bool
    difference: float
    tolerance: float
    nodes_before: int
    nodes_after: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What came out of a run of passes.

    Attributes:
        model: the model; the very object that was given.
        steps: what each pass did.
        difference: how much the outputs changed from the first to the last model.
    """

    model: onnx.ModelProto
    steps: tuple[Step, ...]
    difference: float


def difference(before: Outputs, after: Outputs) -> float:
    """Return the largest absolute difference, relative to the largest value where above 1."""
    worst = 0.0
    for old, new in zip(before, after, strict=True):
        for name, value in old.items():
            other = new[name]
            if value.shape != other.shape:
                raise DriftError(
                    f"output {name!r} had the shape {value.shape} and has {other.shape} now"
                )
            if not value.size:
                continue
            if not np.all(np.isfinite(other)):
                raise DriftError(f"output {name!r} is not finite any more")
            gap = np.abs(value.astype(np.float64) - other.astype(np.float64)).max()
            worst = max(worst, float(gap / max(1.0, np.abs(value).max())))
    return worst


def _first_feeds(
    model: onnx.ModelProto,
    passes: Sequence[Pass],
    specs: Mapping[str, InputSpec] | None,
    count: int,
    seed: int,
) -> list[Feeds]:
    """Draw inputs that fit the model before all passes and after them."""
    chosen = dict(specs or {})
    shapes = {name: shape for step in passes for name, shape in step.shapes.items()}
    for value in inputs_of(model):
        if value.name in shapes:
            spec = chosen.get(value.name, default_spec(value))
            chosen[value.name] = replace(spec, shape=shapes[value.name])
    drawn = draw_feeds(model, chosen, count=count, seed=seed)
    fixed = {name: value for step in passes for name, value in step.constants.items()}
    return [{name: fixed.get(name, value) for name, value in feeds.items()} for feeds in drawn]


def _interface(model: onnx.ModelProto) -> tuple[set[str], list[str]]:
    return {value.name for value in inputs_of(model)}, [value.name for value in model.graph.output]


def _apply(step: Pass, model: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    inputs, outputs = _interface(model)
    step.requires(model)
    result = step.run(model)
    if result.changed:
        check_model(result.model)
    step.ensures(result.model)
    if _interface(result.model) != (inputs - set(step.constants), outputs):
        raise PostconditionError("the model's inputs or outputs have other names now")
    return result.model, result.changed


def _named(error: QuantizeError, step: Pass, done: Sequence[Step]) -> QuantizeError:
    """Return the error with the pass that failed and those that had run in its message."""
    ran = ", ".join(one.name for one in done) or "none"
    kind = type(error) if isinstance(error, PassError) else PassError
    return kind(f"pass {step.name} failed: {error} (passes that had run: {ran})")


def run_passes(
    model: onnx.ModelProto,
    passes: Sequence[Pass],
    *,
    inputs: Mapping[str, InputSpec] | None = None,
    samples: int = 2,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[Step], None] | None = None,
) -> Rewritten:
    """Run passes in order, and check after each that the model still computes the same.

    1. `requires` before, `ensures` after, and the names of inputs and outputs must stay.
    2. After a change: ONNX's checker, strict shape inference, and the outputs on random inputs
       against those before the pass, within its tolerance.

    Args:
        model: edited in place, and not to be used any more when this raises.
        passes: what to run.
        inputs: what to feed, by input; smooth pictures in [0, 1] and unit vectors by default.
        samples: sets of random inputs.
        seed: of the random inputs.
        threads: of the engine that runs the checks.
        progress: called after each pass.

    Returns:
        The model, what each pass did, and how much all of them together changed the outputs.

    Raises:
        PassError: a pass failed. The message names it and those that had run.
        GraphError: the model was broken, or could not be run, before the first pass.
    """
    opset_of(model)
    refuse_absent_weights(model)
    check_model(model)
    feeds = _first_feeds(model, passes, inputs, samples, seed)
    first = before = run_model(model, feeds, threads=threads)
    for outputs in first:
        for name, value in outputs.items():
            if not np.all(np.isfinite(value)):
                raise GraphError(f"output {name!r} is not finite: the model's weights are broken")
    steps: list[Step] = []
    for step in passes:
        start, nodes = time.perf_counter(), len(model.graph.node)
        try:
            model, changed = _apply(step, model)
            gap = 0.0
            if changed:
                after = run_model(model, feeds, threads=threads)
                gap, before = difference(before, after), after
            if gap > step.tolerance:
                raise DriftError(f"outputs differ by {gap:.3g}, more than {step.tolerance:.3g}")
        except QuantizeError as error:
            raise _named(error, step, steps) from error
        seconds = time.perf_counter() - start
        count = len(model.graph.node)
        steps.append(Step(step.name, changed, gap, step.tolerance, nodes, count, seconds))
        if progress is not None:
            progress(steps[-1])
    return Rewritten(model, tuple(steps), difference(first, before))
