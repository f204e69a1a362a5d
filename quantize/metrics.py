"""The figures of quality: how near one picture, or one mask, comes to another.

`quantize.quality` makes them of what models give, and joins those of many samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.errors import MeasureError

__all__ = [
    "MASK_ALLOWANCE",
    "MOST_PSNR",
    "MaskScore",
    "Outputs",
    "as_planes",
    "filled",
    "joint",
    "judge_mask",
    "mask_psnr",
    "psnr",
    "ssim",
]

Outputs = Mapping[str, NDArray[Any]]
"""What a model gave for one sample, by output."""

MOST_PSNR = 99.0
"""dB that stand for equal pictures: beyond it differences are rounding, and a mean would lie."""

MASK_ALLOWANCE = 15.0
"""dB that a mask may be further off than a picture: its error is multiplied by what a swap changes,
which is less than a sixth of the range, root mean square."""

_SMALLEST_FOR_SSIM = 11  # pixels: the side of the window of Wang et al. (2004), sigma 1.5


def joint(picture: float, mask: float | None) -> float:
    """Return the dB that a sample's picture and mask count as together.

    It is the picture's, or the mask's and `MASK_ALLOWANCE` where that is less.
    """
    return picture if mask is None else min(picture, mask + MASK_ALLOWANCE)


def psnr(
    picture: NDArray[Any], reference: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """Return the peak signal-to-noise ratio of a picture, in dB, at most 99.

    Args:
        picture: float, any shape, in [0, 1].
        reference: of the same shape.
        weights: how much each value counts, in [0, 1], broadcast to the shape; all alike when None.

    Returns:
        dB; 0 where every value is wrong by the whole range.
    """
    error = np.square(np.asarray(picture, np.float64) - reference)
    if weights is None:
        mean = float(error.mean())
    else:
        shares = np.broadcast_to(np.asarray(weights, np.float64), error.shape)
        total = float(shares.sum())
        mean = float((error * shares).sum() / total) if total > 0 else 0.0
    return min(MOST_PSNR, -10 * math.log10(mean)) if mean > 0 else MOST_PSNR


def ssim(picture: NDArray[Any], reference: NDArray[Any]) -> float:
    """Return the structural similarity of two pictures, 1 for equal ones.

    As Wang et al. (2004) define it: a Gaussian window of sigma 1.5, 11 pixels wide, the mean over
    channels. A picture with a side below 11 pixels is mirrored at its edges first.

    Args:
        picture: float (1, C, H, W) in [0, 1].
        reference: of the same shape.

    Raises:
        MeasureError: scikit-image is not installed.
    """
    try:
        from skimage import metrics
    except ModuleNotFoundError as error:
        raise MeasureError(
            "structural similarity needs scikit-image: pip install 'edge-swap[quantize]'"
        ) from error
    structural_similarity: Any = metrics.structural_similarity  # it has no annotations
    pair = []
    for each in (picture, reference):
        planes = np.asarray(each[0], np.float64)
        missing = [max(0, _SMALLEST_FOR_SSIM - side) for side in planes.shape[1:]]
        margins = [(0, 0), *((lack // 2, lack - lack // 2) for lack in missing)]
        pair.append(np.pad(planes, margins, mode="symmetric"))
    return float(
        structural_similarity(
            *pair,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def filled(
    values: NDArray[np.float64], reference: NDArray[np.float64], name: str
) -> NDArray[np.float64]:
    """Check that values match their reference; put the worst in the place of what is no number."""
    if values.shape != reference.shape:
        raise MeasureError(
            f"output '{name}' has the shape {values.shape}, the float model's {reference.shape}"
        )
    if not np.isfinite(reference).all():
        raise MeasureError(
            f"output '{name}' of the float model holds values that are no numbers: "
            "nothing can be measured against it"
        )
    broken = ~np.isfinite(values)
    return np.where(broken, reference + 1, values) if broken.any() else values


@dataclass(frozen=True, slots=True)
class MaskScore:
    """How near a mask comes to its reference.

    Attributes:
        largest: the largest difference.
        psnr: in dB. Its peak is 1, or the reference's span where that is more: without a card, what
            is taken for a mask may be another thing.
    """

    largest: float
    psnr: float


def judge_mask(got: Outputs, wanted: Outputs, name: str | None) -> MaskScore | None:
    """Return how near a mask comes to its reference; None where there is none.

    What is no number is off by the whole range.

    Args:
        got: what a model gave for one sample.
        wanted: the same of the reference.
        name: of the mask's output.

    Raises:
        MeasureError: the model gives no such mask, or one of another shape.
    """
    if name is None or name not in wanted:
        return None
    if name not in got:
        raise MeasureError(f"the model gives no mask '{name}' (it gives: {', '.join(got)})")
    values, reference = (as_planes(np.asarray(each[name], np.float64), 1) for each in (got, wanted))
    error = filled(values, reference, name) - reference
    span = max(1.0, float(np.ptp(reference)))
    return MaskScore(float(np.abs(error).max()), psnr(error / span, np.zeros_like(error)))


def mask_psnr(got: Outputs, wanted: Outputs, name: str | None) -> float | None:
    """Return the PSNR of a mask, in dB, as `judge_mask` has it; None where there is none."""
    found = judge_mask(got, wanted, name)
    return None if found is None else found.psnr


def as_planes(values: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """Return a picture or a mask with its channels first."""
    last = values.ndim == 4 and values.shape[1] != channels and values.shape[3] == channels
    return values.transpose(0, 3, 1, 2) if last else values
