"""Collect what the detector takes for a face where there is none, to train on it next.

Usage::

    python -m models.training.detector.mine --count 4000

Only the training half of the pictures is looked at. The finds join the backgrounds as ``hard``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from models.training.detector import augment, things
from models.training.detector.augment import Picture, Rng
from models.training.detector.decode import Runner
from models.training.detector.photos import default_cache
from models.training.detector.things import Bank
from models.training.runs import WEIGHTS

SIDE = 384


def empty_canvas(bank: Bank, rng: Rng) -> Picture:
    """Draw a canvas without a face, as the training does."""
    canvas = np.array(things.background(bank, SIDE, rng))
    things.scatter(canvas, bank, rng, 2.5)
    return augment.camera(canvas, rng)


def surroundings(picture: Picture, box: np.ndarray) -> Picture | None:
    """Cut out what was taken for a face, with as much again around it."""
    centre, side = box[:2] + box[2:] / 2, float(box[2:].max())
    reach = int(max(40, 1.3 * side))
    low = np.maximum(centre - reach, 0).astype(int)
    high = np.minimum(centre + reach, SIDE).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    return part if min(part.shape[:2], default=0) >= 40 else None


def main() -> None:
    """Draw canvases and keep the places of false faces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=WEIGHTS / "ref_detector.onnx")
    parser.add_argument("--count", type=int, default=4000, help="canvases looked at")
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    bank, runner = things.open_bank("train"), Runner(options.model, threads=1)
    folder = default_cache() / "train" / "hard"
    folder.mkdir(parents=True, exist_ok=True)
    rng, kept = np.random.default_rng((41, options.seed)), 0
    for number in range(options.count):
        picture = empty_canvas(bank, rng)
        for place, box in enumerate(runner.detect(picture, options.threshold).boxes[:3]):
            part = surroundings(picture, box)
            if part is not None:
                name = f"{options.seed}-{number:05d}-{place}.jpg"
                cv2.imwrite(str(folder / name), part, [cv2.IMWRITE_JPEG_QUALITY, 95])
                kept += 1
    Console().print(f"{kept} false faces on {options.count} canvases")


if __name__ == "__main__":
    main()
