"""What a check of a target's rules says."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a model breaks a rule of its target.

    Attributes:
        checker: whose rules: tensorrt, nnapi or xnnpack.
        rule: the rule, by its short name; `quantize.checks.rules_of` says what each asks for.
        node: name of the node; of the input or the weight, where the rule is about one; empty
            where it is about the model as a whole.
        operator: the node's operator; empty where the rule is about something else.
        problem: what is wrong, in words that follow the node.
        fix: what to do about it.
    """

    checker: str
    rule: str
    node: str
    operator: str
    problem: str
    fix: str

    @property
    def text(self) -> str:
        """One line for people."""
        where = f"{self.node} ({self.operator})" if self.operator else self.node or "the model"
        return f"{where}: {self.problem}; {self.fix} [{self.checker}: {self.rule}]"
