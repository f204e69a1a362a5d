"""Quality: how near a model's pictures come to the float model's, and to the truth.

Every figure is of pictures brought to [0, 1]. The worst picture counts as much as the mean: a swap
that fails on one face in sixteen fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.engine import Engine, Kernels, Memory
from quantize.errors import KernelsUnavailable, MeasureError
from quantize.metrics import MaskScore, as_planes, filled, joint, judge_mask, psnr, ssim
from quantize.metrics import Outputs as Outputs
from quantize.passes._infra.feeds import Feeds

if TYPE_CHECKING:
    from quantize.contract import ModelContract
    from quantize.recognition import Embed
    from quantize.samples import Samples


class Runs(Protocol):
    """What gives outputs for inputs: an `Engine`, or a candidate opened in another engine."""

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        """Run the model once."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How near a model's pictures come to a reference model's, over some samples.

    Attributes:
        psnr_mean: dB, the mean over the samples; each is capped at 99.
        psnr_worst: dB, the worst sample.
        ssim_mean: structural similarity, 1 for equal pictures; the mean.
        ssim_worst: the worst sample.
        max_error: largest difference of one value in [0, 1].
        mean_error: mean absolute difference in [0, 1].
        identity_cosine: mean cosine between the faces of both pictures as the recogniser sees
            them; None where none was at hand.
        worst: index of the sample with the lowest PSNR.
        psnr: dB per sample.
        ssim: per sample.
        mask_error: largest difference of the mask, in [0, 1]; None for a model without one.
        identity_worst: the lowest such cosine; None where no recogniser was at hand.
        mask_psnr: dB of the mask per sample; empty for a model without one.
    """

    psnr_mean: float
    psnr_worst: float
    ssim_mean: float
    ssim_worst: float
    max_error: float
    mean_error: float
    identity_cosine: float | None
    worst: int
    psnr: tuple[float, ...]
    ssim: tuple[float, ...] = ()
    mask_error: float | None = None
    identity_worst: float | None = None
    mask_psnr: tuple[float, ...] = ()

    @property
    def mask_worst(self) -> float | None:
        """What the worst mask has, in dB; None for a model without one."""
        return min(self.mask_psnr, default=None)

    @property
    def joint(self) -> tuple[float, ...]:
        """What each sample has, in dB: its picture or its mask, as the function `joint` says."""
        masks = self.mask_psnr or (None,) * len(self.psnr)
        return tuple(joint(*pair) for pair in zip(self.psnr, masks, strict=True))


def picture_of(outputs: Outputs, contract: ModelContract) -> NDArray[np.float64]:
    """Return the picture that a model gave.

    Args:
        outputs: what it gave for one sample.
        contract: which output is the picture, and its values for black and white.

    Returns:
        float64 (1, 3, H, W) in the model's channel order, black 0 and white 1; not clipped, and
        values that are no numbers are kept.

    Raises:
        MeasureError: there is no such output, or it is no picture.
    """
    if contract.picture not in outputs:
        raise MeasureError(
            f"the model gives no picture '{contract.picture}' (it gives: {', '.join(outputs)})"
        )
    values = as_planes(np.asarray(outputs[contract.picture], np.float64), 3)
    if values.ndim != 4 or values.shape[0] != 1 or values.size == 0:
        raise MeasureError(
            f"output '{contract.picture}' has the shape {values.shape}: a picture has (1, 3, H, W)"
        )
    black, white = contract.picture_range
    return np.asarray((values - black) / (white - black), np.float64)


def rgb_of(outputs: Outputs, contract: ModelContract) -> NDArray[np.float32]:
    """Return the picture as it is seen: float32 (1, 3, H, W) RGB, clipped to [0, 1].

    Args:
        outputs: what the model gave for one sample.
        contract: which output is the picture; RGB unless its card says BGR.

    Raises:
        MeasureError: there is no such output, or it is no picture.
    """
    picture = np.nan_to_num(picture_of(outputs, contract)).clip(0, 1)
    spec = contract.card.picture if contract.card is not None else None
    if spec is not None and spec.channels == "BGR":
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture, np.float32)


def run_all(engine: Runs, samples: Samples) -> list[dict[str, NDArray[Any]]]:
    """Run a model on every sample.

    Returns:
        Per sample an array for each output.

    Raises:
        EngineError: it cannot be run.
    """
    return [dict(engine.run(feeds)) for feeds in samples.feeds]


def score(
    outputs: Sequence[Outputs],
    reference_outputs: Sequence[Outputs],
    contract: ModelContract,
    *,
    embed: Embed | None = None,
) -> Scores:
    """Compare what a model gave with what a reference gave for the same samples.

    Values that are no numbers count as wrong by the whole range.

    Args:
        outputs: per sample, by output.
        reference_outputs: the same of the reference.
        contract: which outputs are picture and mask, and the picture's range.
        embed: a recogniser, see `quantize.recognition`; without one no identity is judged.

    Raises:
        MeasureError: there are no samples, or the outputs of the two do not match.
    """
    if not outputs or len(outputs) != len(reference_outputs):
        raise MeasureError(
            f"{len(outputs)} results cannot be compared with {len(reference_outputs)}: "
            "run both models on the same samples, at least one"
        )
    rows = [
        _judge(got, wanted, contract)
        for got, wanted in zip(outputs, reference_outputs, strict=True)
    ]
    masks = [row.mask for row in rows if row.mask is not None]
    cosines = _cosines(outputs, reference_outputs, contract, embed)
    decibels = tuple(row.psnr for row in rows)
    likeness = tuple(row.ssim for row in rows)
    return Scores(
        psnr_mean=float(np.mean(decibels)),
        psnr_worst=min(decibels),
        ssim_mean=float(np.mean(likeness)),
        ssim_worst=min(likeness),
        max_error=max(row.largest for row in rows),
        mean_error=float(np.mean([row.mean for row in rows])),
        identity_cosine=float(np.mean(cosines)) if cosines else None,
        worst=int(np.argmin(decibels)),
        psnr=decibels,
        ssim=likeness,
        mask_error=max((mask.largest for mask in masks), default=None),
        identity_worst=min(cosines) if cosines else None,
        mask_psnr=tuple(mask.psnr for mask in masks),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    psnr: float
    ssim: float
    largest: float
    mean: float
    mask: MaskScore | None


def _judge(got: Outputs, wanted: Outputs, contract: ModelContract) -> _Row:
    reference = picture_of(wanted, contract)
    picture = filled(picture_of(got, contract), reference, contract.picture)
    error = np.abs(picture - reference)
    return _Row(
        psnr=psnr(picture, reference),
        ssim=ssim(picture, reference),
        largest=float(error.max()),
        mean=float(error.mean()),
        mask=judge_mask(got, wanted, contract.mask),
    )


def _cosines(
    outputs: Sequence[Outputs],
    references: Sequence[Outputs],
    contract: ModelContract,
    embed: Embed | None,
) -> tuple[float, ...]:
    if embed is None:
        return ()
    return tuple(
        float(embed(rgb_of(got, contract)) @ embed(rgb_of(wanted, contract)))
        for got, wanted in zip(outputs, references, strict=True)
    )


def open_engine(
    model: onnx.ModelProto | Path,
    *,
    kernels: Kernels = "default",
    threads: int = 1,
    memory: Memory = "kept",
) -> Engine:
    """Open a model with certain kernels, or as it is written where those do not take it.

    Args:
        model: the model, or its file.
        kernels: the wanted ones; the engine's attribute `kernels` says which it became.
        threads: for one run.
        memory: what becomes of the memory that a run worked in.

    Raises:
        EngineError: ONNX Runtime cannot load it.
    """
    try:
        return Engine(model, kernels=kernels, threads=threads, memory=memory)
    except KernelsUnavailable:
        return Engine(model, kernels="reference", threads=threads, memory=memory)


def evaluate(
    model: onnx.ModelProto | Path,
    reference: onnx.ModelProto | Path | Sequence[Outputs],
    samples: Samples,
    contract: ModelContract,
    *,
    kernels: Kernels = "default",
    threads: int = 1,
    embed: Embed | None = None,
) -> Scores:
    """Measure a model against the float model.

    Args:
        model: what is judged.
        reference: the float model, or what it gave for these samples (`run_all`) where many are
            judged against it.
        samples: what both are fed.
        contract: what the model gives.
        kernels: with which kernels the model is run; "reference" where "precise" does not take it.
            The float model always runs as it is written.
        threads: for one run.
        embed: a recogniser, see `quantize.recognition`.

    Raises:
        EngineError: a model cannot be loaded or run.
        MeasureError: the two cannot be compared.
    """
    if isinstance(reference, (onnx.ModelProto, Path)):
        reference = run_all(Engine(reference, kernels="reference", threads=threads), samples)
    outputs = run_all(open_engine(model, kernels=kernels, threads=threads), samples)
    return score(outputs, reference, contract, embed=embed)
