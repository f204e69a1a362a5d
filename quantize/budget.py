"""The quality that a quantized model must keep: "psnr:45", "ssim:0.99", "identity:0.98"."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from quantize.errors import BudgetError
from quantize.metrics import MASK_ALLOWANCE, MOST_PSNR

if TYPE_CHECKING:
    from quantize.quality import Scores

__all__ = ["Budget", "parse_budget"]

Metric = Literal["psnr", "ssim", "identity"]

_LIMITS: dict[str, tuple[float, float]] = {
    "psnr": (1.0, 98.0),
    "ssim": (0.0, 1.0),
    "identity": (0.0, 1.0),
}
_AIR = 0.1  # dB that the next promise is above what should do; a share of the error otherwise: 5 %
_AIR_SHARE = 1.05
_LEAST_ERROR = 1e-6  # of a promise of 1, which leaves nothing to take a share of
_EXAMPLES = "psnr:45, ssim:0.99 or identity:0.98"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the worst sample must reach, against the float model's picture and mask.

    A mask says which share of a picture is used, so its error is multiplied by what the swap
    changes: it counts as a picture that is `MASK_ALLOWANCE` dB nearer. For "ssim" and "identity"
    half its mean squared error is what lacks to 1, as with two unit vectors that far apart.

    Attributes:
        metric: "psnr" (dB), "ssim" (1 for equal pictures), or "identity": the cosine between the
            faces in both pictures, as the card's recogniser sees them.
        value: the least that is good enough.
    """

    metric: Metric
    value: float

    def reached(self, scores: Scores) -> float:
        """Return what the worst sample reached; for identity nan when nobody judged it."""
        picture, mask = self._of_picture(scores), self._of_mask(scores)
        return mask if mask < picture else picture  # nan stays

    def held_by(self, scores: Scores) -> Literal["picture", "mask"]:
        """Return which of the two the worst sample reached less with."""
        return "mask" if self._of_mask(scores) < self._of_picture(scores) else "picture"

    def _of_picture(self, scores: Scores) -> float:
        if self.metric == "psnr":
            return scores.psnr_worst
        if self.metric == "ssim":
            return scores.ssim_worst
        return math.nan if scores.identity_worst is None else scores.identity_worst

    def _of_mask(self, scores: Scores) -> float:
        worst = scores.mask_worst
        if worst is None or worst >= MOST_PSNR:
            return math.inf
        if self.metric == "psnr":
            return worst + MASK_ALLOWANCE
        return float(1 - 10 ** (-worst / 10) / 2)

    def met(self, scores: Scores) -> bool:
        """Return whether the worst sample is good enough."""
        return self.reached(scores) >= self.value

    def tightened(self, promised: float, reached: float) -> Budget:
        """Return the budget to ask for next, when a promise was not kept.

        What was not foreseen is a share of the error, and the next promise is taken to be off by
        the same share. A difference in dB is one already; of the others, what lacks to 1 is the
        error, so that the new budget is never beyond 1.

        Args:
            promised: what was to be reached.
            reached: what it really came to, less than this budget.
        """
        if self.metric == "psnr":
            return replace(self, value=self.value + max(promised - reached, 0.0) + _AIR)
        share = max((1 - reached) / max(1 - promised, _LEAST_ERROR), 1.0)
        return replace(self, value=1 - (1 - self.value) / (share * _AIR_SHARE))

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.metric}:{self.value:g}"


def parse_budget(text: str) -> Budget:
    """Read a budget as people write it.

    Args:
        text: "psnr:45" (dB, 1 to 98), "ssim:0.99" or "identity:0.98" (0 to 1).

    Raises:
        BudgetError: it is none of these.
    """
    metric, colon, number = text.strip().partition(":")
    metric = metric.strip().lower()
    if not colon or metric not in _LIMITS:
        raise BudgetError(f"the budget {text[:40]!r} cannot be read: write {_EXAMPLES}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    low, high = _LIMITS[metric]
    if not low <= value <= high:
        raise BudgetError(
            f"the budget {text[:40]!r} is out of reach: {metric} lies between {low:g} and {high:g}"
        )
    return Budget(cast(Metric, metric), value)
