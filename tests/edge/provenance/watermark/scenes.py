"""Pictures to mark: drawn here, so that no test needs a photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ID = "0123456789abcdef"


def textured(width: int, height: int, seed: int = 1) -> NDArray[np.uint8]:
    """Return coloured noise of all sizes, as in a photograph: uint8 (H, W, 3) BGR."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 25, 50, 100, 200):
        noise = rng.standard_normal((cells, cells, 3)).astype(np.float32)
        large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        whole += np.asarray(large, np.float32) * (60 / cells**0.5)
    return np.clip(whole + 120, 0, 255).astype(np.uint8)


def drawn(width: int, height: int, seed: int = 1) -> NDArray[np.uint8]:
    """Return flat shapes and lines of text: uint8 (H, W, 3) BGR."""
    rng = np.random.default_rng(seed)
    frame = np.full((height, width, 3), 235, np.uint8)
    for _ in range(8):
        corner = rng.integers(0, (width, height))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        end = corner + rng.integers(20, (width // 2, height // 2))
        cv2.rectangle(frame, corner.tolist(), end.tolist(), colour, -1)
    for line in range(0, height, 60):
        cv2.putText(frame, "What is written", (20, line), 0, 0.8, (20, 20, 20), 2, cv2.LINE_AA)
    return frame


def flat(width: int, height: int, level: int = 128) -> NDArray[np.uint8]:
    """Return one grey: uint8 (H, W, 3) BGR."""
    return np.full((height, width, 3), level, np.uint8)


SCENES = {"textured": textured, "drawn": drawn, "flat": flat}


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))
