"""What could be reached at all: `scripts/train swapper.bounds`.

An embedding says what a face is like, and not where each hair and each freckle is. So swappers are
made up here that know the truth exactly, but for what is finer than a blur: finer things are the
target's, or missing. A bar that they miss is missed by whoever does not know the finest detail.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from models.training.crops import Floats, Pixels
from models.training.pairs import CROPS
from models.training.swapper.evaluate import psnr, ssim
from models.training.swapper.flicker import Frame, changes, video
from models.training.swapper.judged import Case, held_out_cases

BLURS = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Standard deviations in pixels of the crop."""

Maker = Callable[[Pixels, Pixels, float], Pixels]


def low(picture: Pixels | Floats, blur: float) -> Floats:
    """What is coarser than a Gaussian blur, float32."""
    out = cv2.GaussianBlur(np.asarray(picture, np.float32), (0, 0), blur)
    return np.asarray(out, np.float32)


def fine_of_target(target: Pixels, truth: Pixels, blur: float) -> Pixels:
    """The truth's coarse parts and the target's fine ones, uint8 (S, S, 3) BGR."""
    return _rounded(target + low(truth.astype(np.float32) - target, blur))


def coarse_alone(target: Pixels, truth: Pixels, blur: float) -> Pixels:
    """The truth's coarse parts and nothing finer, uint8 (S, S, 3) BGR."""
    return _rounded(low(truth, blur))


MAKERS: dict[str, Maker] = {"the target's": fine_of_target, "missing": coarse_alone}


def _rounded(picture: Floats) -> Pixels:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def bound(
    make: Maker, blur: float, cases: list[Case], frames: tuple[Frame, ...]
) -> dict[str, float]:
    """The figures of a made-up swapper.

    Args:
        make: target and truth, uint8 (S, S, 3) BGR, and a blur to an output.
        blur: standard deviation in pixels.
        cases: held-out swaps.
        frames: of the sample video.
    """
    rows = []
    for case in cases:
        output = make(case.target, case.truth, blur)
        rows.append((psnr(output, case.truth, case.face), ssim(output, case.truth, case.face)))
    figures = dict(zip(("psnr", "ssim"), np.mean(rows, axis=0).tolist(), strict=True))
    outputs = [make(target, truth, blur) for target, truth, _ in frames]
    found = changes(outputs, frames)
    return figures | {name: found[name] for name in ("flicker", "error_change")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    options = parser.parse_args()
    cases, frames = held_out_cases(options.size)[: options.pairs], video(options.size)
    table = Table("right down to a blur of", "finer is", "PSNR", "SSIM", "flicker", "error_change")
    for name, make in MAKERS.items():
        for blur in BLURS:
            found = bound(make, blur, cases, frames)
            table.add_row(
                f"{blur:g} px", name, f"{found['psnr']:.2f}", f"{found['ssim']:.3f}",
                f"{found['flicker']:.2f}", f"{found['error_change']:.2f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
