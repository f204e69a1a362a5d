"""The bar: the swap models that fit a device pass every target's checks, with nothing found.

The graphs have the layers of the real models in their number and order, at a fraction of the width
(`tests.families`); the reference swapper is the shipped file itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edge import resources
from quantize.calibrate import calibrate
from quantize.checks import examine, rules_of
from quantize.checks.view import View
from quantize.contract import contract_of
from quantize.fp16 import to_fp16
from quantize.fp16_storage import to_stored_half
from quantize.int8 import to_int8
from quantize.modelfile import load_model, name_nodes
from quantize.passes import STANDARD, Pass, bake_identity
from quantize.prepare import finishing_passes, prepare, target_passes
from quantize.recipes import load_recipe
from quantize.samples import drawn_samples
from quantize.targets import load_target, target_names
from tests.families import BUILDERS, ghost, hyperswap, inswapper, mobilefaceswap, model_bytes
from tests.quantize.graphs import count, embedding

EDGE_CANDIDATES: dict[str, Callable[[], onnx.ModelProto]] = {
    "inswapper_128": lambda: inswapper(emap=False),
    "ghost_1_256": ghost,
    "hyperswap_1a_256": hyperswap,
    "mobilefaceswap_224": mobilefaceswap,
}
SHIPPED = ("ref_swapper", "ref_swapper_256")
TARGETS = [name for name in target_names() if load_target(name).checks]


def rewritten(model: onnx.ModelProto, *passes: Pass) -> onnx.ModelProto:
    """Rewrite without running anything: that each pass computes the same is its own test."""
    for step in passes:
        step.requires(model)
        model = step.run(model).model
        step.ensures(model)
    name_nodes(model)
    return model


@cache
def _floating(name: str, target: str, passes: tuple[str, ...], baked: bool) -> onnx.ModelProto:
    profile = load_target(target)
    if name in SHIPPED:
        return prepare(load_model(resources.weights_dir() / f"{name}.onnx"), profile).model
    fixed = bake_identity({"source": embedding()}) if baked else ()
    own = target_passes(profile, "onnx")
    return rewritten(EDGE_CANDIDATES[name](), *STANDARD, *fixed, *own)


def floating(name: str, target: str, baked: bool = False) -> onnx.ModelProto:
    """Return a model for a target; targets that want the same rewrites share it."""
    first = next(one for one in TARGETS if load_target(one).passes == load_target(target).passes)
    return _floating(name, first, load_target(target).passes, baked)


@cache
def _converted(
    name: str, target: str, precision: str, baked: bool, key: tuple[object, ...]
) -> onnx.ModelProto:
    profile, model = load_target(target), floating(name, target, baked)
    if precision == "fp32":
        return model
    if precision == "fp16" and profile.half == "stored":
        return to_stored_half(model)
    ranges = calibrate(model, drawn_samples(contract_of(model), 1, 0), cache=None)
    if precision == "fp16":
        return to_fp16(model, ranges).model
    made = to_int8(model, ranges, load_recipe(profile.recipe("int8", "onnx"))).model
    return rewritten(made, *finishing_passes(profile, "onnx"))


def converted(name: str, target: str, precision: str, baked: bool = False) -> onnx.ModelProto:
    """Return a model for a target and a precision; targets that make it alike share it."""

    def key(one: str) -> tuple[object, ...]:
        profile = load_target(one)
        recipe = profile.recipe("int8", "onnx")
        return profile.passes, profile.finishes("onnx", "int8"), profile.half, recipe

    first = next(one for one in TARGETS if key(one) == key(target))
    return _converted(name, first, precision, baked, key(target))


def assert_passes(model: onnx.ModelProto, target: str, precision: str) -> None:
    checked = examine(model, target)
    assert not checked.findings, [one.text for one in checked.findings]
    if precision == "int8":
        assert count(model, "QuantizeLinear") > 5
    if precision == "fp16":
        halves = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT16]
        assert halves
    if target == "android_nnapi":
        nodes = len(View(model).nodes)
        assert f"one partition with all {nodes} nodes" in checked.verdicts["nnapi"]
        assert checked.api_level in (29, 30)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*SHIPPED, *EDGE_CANDIDATES])
def test_nothing_is_in_the_way(name: str, target: str, precision: str) -> None:
    assert_passes(converted(name, target, precision), target, precision)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["inswapper_128", "ghost_1_256"])
def test_nor_with_an_identity_in_the_model(name: str, target: str) -> None:
    model = converted(name, target, "int8", baked=True)
    assert count(model, "Gemm") == 0
    assert_passes(model, target, "int8")


@pytest.mark.parametrize("name", EDGE_CANDIDATES)
def test_without_its_rewrites_nnapi_is_refused_by_name(name: str) -> None:
    model = rewritten(EDGE_CANDIDATES[name]())
    checked = examine(model, "android_nnapi")
    assert checked.findings[-1].rule == "one partition"
    assert "in the way: " in checked.findings[-1].problem
    assert "refused" in checked.text


@pytest.mark.parametrize("name", BUILDERS)
def test_whatever_a_model_holds_it_can_be_looked_at(name: str) -> None:
    """Raw exports of every family: attention, layer norms, pictures as sources, open batches."""
    model = onnx.load_from_string(model_bytes(name))
    for target in TARGETS:
        for one in examine(model, target).findings:
            assert one.rule in rules_of(one.checker)
            assert one.problem
            assert one.fix


def test_stored_halves_lose_no_more_than_rounding() -> None:
    model = floating("ref_swapper", "raspberry_pi")
    half = to_stored_half(model)
    stored = {t.name: t for t in half.graph.initializer}
    for tensor in model.graph.initializer:
        small = stored.get(f"{tensor.name}_half")
        if small is not None:
            value = onnx.numpy_helper.to_array(tensor)
            again = onnx.numpy_helper.to_array(small).astype(np.float32)
            assert np.allclose(value, again, rtol=2**-11, atol=2**-25)
