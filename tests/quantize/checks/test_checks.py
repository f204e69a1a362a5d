"""The front door of the static checks."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest
from onnx import TensorProto, helper

from quantize.checks import CHECKERS, check, examine, rules_of
from quantize.errors import TargetError
from quantize.targets import FORMATS, load_target, target_names
from tests.quantize.checks.models import of
from tests.quantize.graphs import Sketch


def plain() -> onnx.ModelProto:
    return of(lambda s, x: s.op("Relu", s.conv(x, 4, 4)))


@pytest.mark.parametrize("target", target_names())
@pytest.mark.parametrize("form", FORMATS)
def test_a_plain_model_has_no_findings(target: str, form: str) -> None:
    profile = load_target(target)
    checked = examine(plain(), profile, form)  # type: ignore[arg-type]
    rules = [(one.checker, one.rule) for one in checked.findings]
    refused = (target, form) == ("jetson", "ort")  # TensorRT takes un-optimised ONNX
    assert rules == ([("tensorrt", "5 opset")] if refused else [])
    assert set(checked.verdicts) == set(profile.checkers(form))  # type: ignore[arg-type]
    assert list(checked.findings) == check(plain(), target, form)  # type: ignore[arg-type]


def test_every_checker_states_its_rules() -> None:
    for name in CHECKERS:
        assert rules_of(name)
        assert all(text for text in rules_of(name).values())


def test_the_facts_hold_all() -> None:
    model = of(lambda s, x: s.op("Reciprocal", x))
    checked = examine(model, "android_nnapi")
    facts = checked.facts()
    assert facts["findings"][0]["node"] == "Reciprocal_v0"
    assert facts["findings"][0]["fix"]
    assert facts["api_level"] is None
    assert "refused" in checked.text
    assert examine(plain(), "android_nnapi").facts()["api_level"] == 28
    assert "no static rules" in examine(plain(), "x86_cpu").text


def test_no_such_target() -> None:
    with pytest.raises(TargetError, match="no target 'toaster'"):
        check(plain(), "toaster")


def test_a_model_that_cannot_be_looked_into_is_a_finding() -> None:
    s = Sketch()
    x = s.input("x", 1)
    then = helper.make_graph(
        [helper.make_node("Relu", [x], ["a"])],
        "then",
        [],
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1])],
    )
    other = onnx.GraphProto()
    other.CopyFrom(then)
    flag = s.keep(True, kind=bool)
    s.op("If", flag, then_branch=then, else_branch=other, output="y")
    findings = check(s.model("y"), "jetson")
    assert [(one.rule, one.checker) for one in findings] == [("10 static", "tensorrt")]
    assert "holds a subgraph" in findings[0].problem
    assert findings[0].text.startswith("the model: ")
    old = plain()
    old.opset_import[0].version = 9
    assert "opset 9 is not supported" in check(old, "raspberry_pi")[0].problem


def test_a_profile_may_name_several_checkers() -> None:
    profile = replace(load_target("raspberry_pi"), checks={"onnx": ("xnnpack", "nnapi")})
    assert set(examine(plain(), profile).verdicts) == {"xnnpack", "nnapi"}
