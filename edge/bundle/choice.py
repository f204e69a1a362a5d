"""Which way of running a bundle fits this device: engines, their versions, the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.backends import missing_reason
from edge.bundle.contents import Contents, Variant
from edge.errors import BundleError
from edge.machine import features_of

__all__ = ["Fit", "fits_of", "nothing_fits", "ordered"]


@dataclass(frozen=True, slots=True)
class Fit:
    """A way of running a bundle, and whether it fits here.

    Attributes:
        variant: The way.
        reason: Why it does not fit; empty where nothing speaks against it.
    """

    variant: Variant
    reason: str


def fits_of(contents: Contents, root: Path = Path("/")) -> tuple[Fit, ...]:
    """Return every way of running a bundle, best first, with what speaks against it here.

    Args:
        contents: Of the bundle.
        root: Where the kernel's files hang; another one only in tests.
    """
    return tuple(Fit(variant, _reason(variant, root)) for variant in contents.variants)


def _reason(variant: Variant, root: Path) -> str:
    lacking = [each for each in variant.cpu if each not in features_of(root)]
    if lacking:
        return f"the processor lacks {', '.join(lacking)}"
    return missing_reason(variant.engine, variant.providers, variant.oldest)


def nothing_fits(where: str, fits: Sequence[Fit]) -> BundleError:
    """Return the error to raise where no way of running a bundle fits."""
    reasons = "; ".join(f"{each.variant.name}: {each.reason}" for each in fits)
    return BundleError(f"{where}: nothing in it runs here: {reasons}")


def ordered(fits: Sequence[Fit], names: Sequence[str]) -> tuple[Fit, ...]:
    """Return the ways with those that are named first, in the order of the names."""
    rank = {name: place for place, name in enumerate(names)}
    return tuple(sorted(fits, key=lambda fit: rank.get(fit.variant.name, len(rank))))
