"""Draw what the network is trained on, to be looked at.

Usage::

    python -m models.training.detector.sheet --output sheet.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector.compose import Sample, compose

COLOURS = ((255, 80, 0), (0, 80, 255), (0, 255, 0), (255, 0, 255), (0, 255, 255))


def marked(sample: Sample) -> NDArray[np.uint8]:
    """Return the canvas with its boxes, points and (grey) ignored places drawn in."""
    picture = sample.picture.copy()
    for box in sample.ignored:
        x, y, w, h = (int(v) for v in box)
        cv2.rectangle(picture, (x, y), (x + w, y + h), (128, 128, 128), 1)
    for box, points in zip(sample.boxes, sample.points, strict=True):
        x, y, w, h = (int(v) for v in box)
        cv2.rectangle(picture, (x, y), (x + w, y + h), (0, 255, 0), 1)
        for point, colour in zip(points, COLOURS, strict=True):
            at = (round(float(point[0])), round(float(point[1])))
            cv2.circle(picture, at, 1, colour, -1)
    return picture


def sheet(samples: list[Sample], columns: int) -> NDArray[np.uint8]:
    """Lay canvases of one size out in rows."""
    pictures = [marked(s) for s in samples]
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    return np.vstack([np.hstack(row) for row in rows if len(row) == columns])


def main() -> None:
    """Draw a sheet of training or held-out canvases."""
    from models.training.detector.data import sources

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("sheet.png"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held", action="store_true", help="the held-out half")
    options = parser.parse_args()
    made_of, rng = sources(options.held), np.random.default_rng(options.seed)
    samples = [compose(made_of, options.size, rng) for _ in range(32)]
    cv2.imwrite(str(options.output), sheet(samples, 8))


if __name__ == "__main__":
    main()
