"""Truth: how near a swap model comes to pictures of what it should have shown.

Faces of nobody are rendered twice, once with the head to be shown: no photograph offers that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quantize.errors import MeasureError
from quantize.metrics import Outputs, psnr
from quantize.quality import rgb_of

if TYPE_CHECKING:
    from quantize.contract import ModelContract
    from quantize.recognition import Embed


@dataclass(frozen=True, slots=True)
class TruthScores:
    """How near a model comes to the truth, and how near the float model does.

    Attributes:
        psnr: dB, the mean over the samples; inside the float model's mask where it gives one.
        reference_psnr: the same of the float model.
        identity: mean cosine between the picture's face and the truth's; None without a recogniser.
        reference_identity: the same of the float model.
        masked: whether only what the mask shows was judged.
    """

    psnr: float
    reference_psnr: float
    identity: float | None
    reference_identity: float | None
    masked: bool

    @property
    def loss(self) -> float:
        """Decibels that the model is worse than the float model; negative where it is better."""
        return self.reference_psnr - self.psnr


def score_truth(
    outputs: Sequence[Outputs],
    reference_outputs: Sequence[Outputs],
    truths: Sequence[NDArray[np.float32]],
    contract: ModelContract,
    *,
    embed: Embed | None = None,
) -> TruthScores:
    """Compare what a model gave, and what the float model gave, with the truth.

    Pictures are clipped to [0, 1] first, as they are when they are shown.

    Args:
        outputs: per sample, by output.
        reference_outputs: the same of the float model; its mask says where to look, so that both
            are judged in the same places.
        truths: per sample float32 (1, 3, H, W) RGB in [0, 1].
        contract: which outputs are picture and mask.
        embed: a recogniser, see `quantize.recognition`.

    Raises:
        MeasureError: the numbers of samples differ, or a truth has another shape than the picture.
    """
    if not truths or not len(outputs) == len(reference_outputs) == len(truths):
        raise MeasureError(
            f"{len(outputs)} results, {len(reference_outputs)} of the float model and "
            f"{len(truths)} truths do not belong together"
        )
    rows = []
    masked = contract.mask is not None
    for got, wanted, truth in zip(outputs, reference_outputs, truths, strict=True):
        pictures = [rgb_of(each, contract) for each in (got, wanted)]
        if pictures[0].shape != truth.shape or pictures[1].shape != truth.shape:
            raise MeasureError(
                f"a truth has the shape {truth.shape}, the model's picture {pictures[0].shape}"
            )
        mask = np.clip(wanted[contract.mask], 0, 1) if contract.mask is not None else None
        faces = [float(embed(each) @ embed(truth)) for each in pictures] if embed else [0.0, 0.0]
        rows.append([psnr(each, truth, mask) for each in pictures] + faces)
    means = np.mean(rows, axis=0)
    return TruthScores(
        psnr=float(means[0]),
        reference_psnr=float(means[1]),
        identity=float(means[2]) if embed else None,
        reference_identity=float(means[3]) if embed else None,
        masked=masked,
    )
