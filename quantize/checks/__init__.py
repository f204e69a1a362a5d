"""Static checks: does a model break a rule of its target, as far as that can be seen without it?

One file per set of rules: `tensorrt`, `nnapi`, `xnnpack`. A target's profile names which apply to
it, by format. A check reads the graph and runs nothing, so what it says is never more than that no
blocker is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from quantize.checks import nnapi, tensorrt, xnnpack
from quantize.checks.finding import Finding
from quantize.checks.view import View
from quantize.errors import GraphError
from quantize.targets import Format, TargetProfile, load_target

__all__ = ["CHECKERS", "Checked", "Finding", "check", "examine", "rules_of"]

CHECKERS = (nnapi.NAME, tensorrt.NAME, xnnpack.NAME)

_RULES: Mapping[str, Mapping[str, str]] = {
    nnapi.NAME: nnapi.RULES,
    tensorrt.NAME: tensorrt.RULES,
    xnnpack.NAME: xnnpack.RULES,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a target's checks said of a model.

    Attributes:
        findings: every place where a rule is broken; empty is good.
        verdicts: one sentence per checker, by its name.
        api_level: Android's API level from which NNAPI has all that the model uses; None where
            NNAPI was not asked, or is refused.
    """

    findings: tuple[Finding, ...]
    verdicts: Mapping[str, str]
    api_level: int | None = None

    @property
    def text(self) -> str:
        """The verdicts in one line."""
        return "; ".join(self.verdicts.values()) or "this target has no static rules"

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "findings": [
                {
                    "checker": one.checker,
                    "rule": one.rule,
                    "node": one.node,
                    "operator": one.operator,
                    "problem": one.problem,
                    "fix": one.fix,
                }
                for one in self.findings
            ],
            "verdicts": dict(self.verdicts),
            "api_level": self.api_level,
        }


def rules_of(checker: str) -> Mapping[str, str]:
    """Return what each rule of a checker asks for, by the rule's name."""
    return _RULES[checker]


def check(
    model: onnx.ModelProto, target: str | TargetProfile, form: Format = "onnx"
) -> list[Finding]:
    """Check a model against the static rules of its target.

    Args:
        model: what was made for the target: ONNX, also where it was then written in another
            format. It is not edited, and nothing of it is run.
        target: a target's name, or its profile.
        form: the format that it is shipped in.

    Returns:
        The findings; an empty list says that no blocker is known, never that the model runs.

    Raises:
        TargetError: there is no such target.
        EngineMissing: ONNX Runtime, whose own checker is asked too, is not installed.
    """
    return list(examine(model, target, form).findings)


def examine(model: onnx.ModelProto, target: str | TargetProfile, form: Format = "onnx") -> Checked:
    """Check a model as `check` does, and return the verdicts with the findings."""
    profile = load_target(target) if isinstance(target, str) else target
    names = profile.checkers(form)
    if not names:
        return Checked((), {})
    try:
        view = View(model)
    except GraphError as error:
        return _unreadable(names, error)
    findings: list[Finding] = []
    verdicts: dict[str, str] = {}
    level = None
    for name in names:
        if name == tensorrt.NAME:
            releases = profile.releases or tensorrt.DEFAULT_RELEASES
            own = tensorrt.check(view, releases, form)
            verdicts[name] = tensorrt.verdict(own, releases)
        elif name == nnapi.NAME:
            own = nnapi.check(view)
            verdicts[name] = nnapi.verdict(own, view)
            level = None if own else nnapi.api_level(view)
        else:
            own = xnnpack.check(view)
            verdicts[name] = xnnpack.verdict(own, view)
        findings += own
    return Checked(tuple(findings), verdicts, level)


def _unreadable(names: tuple[str, ...], error: GraphError) -> Checked:
    """Say that a model cannot be looked into: a subgraph, or an opset of another time."""
    fix = "export it again: no If, Loop or Scan, and opset 17"
    rules = {tensorrt.NAME: "10 static", nnapi.NAME: "operator", xnnpack.NAME: "operator"}
    findings = tuple(Finding(name, rules[name], "", "", str(error), fix) for name in names)
    return Checked(findings, dict.fromkeys(names, f"cannot be checked: {error}"))
