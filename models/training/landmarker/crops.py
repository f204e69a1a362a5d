"""The crop that the landmarker sees: as the runtime cuts it, from points that are nearly right."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.crops import similarity

Rng = np.random.Generator
Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

TEMPLATE = "ffhq_512"
# `edge/faces/templates.py` has the same; the whole head shows, so a point may be far off.
POINTS = np.array(
    [
        [0.37691676, 0.46864664],
        [0.62285697, 0.46912813],
        [0.50123859, 0.61331904],
        [0.39308822, 0.72541100],
        [0.61150205, 0.72490465],
    ],
    np.float32,
)


def shaken(points: Floats, rng: Rng) -> Floats:
    """Move landmarks as a detector errs: all alike, and each for itself.

    The detector of the first edition errs by 0.077 of the eye distance in the mean; some of what it
    finds is far worse, and a second look at the crop starts from much less.
    """
    centre = points.mean(0)
    reach = float(np.sqrt(((points - centre) ** 2).sum(1).mean()))
    wild = float(np.exp(rng.normal(0, 0.6)))
    factor = np.exp(rng.normal(0, 0.06 * wild) + 1j * rng.normal(0, 0.05 * wild))
    flat = (points[:, 0] + 1j * points[:, 1] - complex(*centre)) * factor
    moved = np.stack([flat.real, flat.imag], 1) + centre
    moved += rng.normal(0, 0.06 * wild * reach, 2)
    moved += rng.normal(0, 0.07 * wild * reach, (5, 2))
    return moved.astype(np.float32)


def cut(picture: Picture, points: Floats, size: int) -> tuple[Picture, NDArray[Any]]:
    """Cut the crop that the points ask for, as `edge.faces.align` does.

    Args:
        picture: uint8 (H, W, 3) BGR.
        points: float32 (5, 2) in its pixels.
        size: side of the crop.

    Returns:
        uint8 (size, size, 3) BGR, and the matrix (2, 3) from picture to crop.
    """
    matrix = similarity(points, POINTS * size)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    warp = matrix
    if scale < 0.5:  # a bilinear warp would skip pixels
        height, width = picture.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cast(Picture, cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
        moved = (points + 0.5) * (np.array(small) / (width, height)) - 0.5
        warp = similarity(moved.astype(np.float32), POINTS * size)
    crop = cv2.warpAffine(
        picture, warp, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cast(Picture, crop), matrix


def to_crop(points: Floats, matrix: NDArray[Any], size: int) -> Floats:
    """Take points of the picture to crop sides, float32 (5, 2)."""
    return cast(Floats, ((points @ matrix[:, :2].T + matrix[:, 2]) / size).astype(np.float32))
