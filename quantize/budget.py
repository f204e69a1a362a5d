"""The quality that a quantized model must keep: "psnr:45", "ssim:0.99", "identity:0.98"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from quantize.errors import BudgetError

if TYPE_CHECKING:
    from quantize.quality import Scores

__all__ = ["Budget", "parse_budget"]

Metric = Literal["psnr", "ssim", "identity"]

_LIMITS: dict[str, tuple[float, float]] = {
    "psnr": (1.0, 98.0),
    "ssim": (0.0, 1.0),
    "identity": (0.0, 1.0),
}
_EXAMPLES = "psnr:45, ssim:0.99 or identity:0.98"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the worst sample must reach, against the float model's picture.

    Attributes:
        metric: "psnr" (dB), "ssim" (1 for equal pictures), or "identity": the cosine between the
            faces in both pictures, as the card's recogniser sees them.
        value: the least that is good enough.
    """

    metric: Metric
    value: float

    def reached(self, scores: Scores) -> float:
        """Return what the worst sample reached; for identity nan when nobody judged it."""
        if self.metric == "psnr":
            return scores.psnr_worst
        if self.metric == "ssim":
            return scores.ssim_worst
        return math.nan if scores.identity_worst is None else scores.identity_worst

    def met(self, scores: Scores) -> bool:
        """Return whether the worst sample is good enough."""
        return self.reached(scores) >= self.value

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
