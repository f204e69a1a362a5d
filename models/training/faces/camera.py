"""What lens, sensor and file format do to a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.scene import Camera

__all__ = ["develop"]


def develop(picture: NDArray[np.float32], camera: Camera, seed: int) -> NDArray[np.uint8]:
    """Tone, blur, add noise, round and compress.

    Args:
        picture: float32 (H, W, 3) BGR, 0..255.
        camera: strengths.
        seed: of the noise; the same seed gives the same noise whatever the picture shows.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    luma = picture @ np.array([0.114, 0.587, 0.299], np.float32)
    out = luma[..., None] + (picture - luma[..., None]) * np.float32(camera.saturation)
    if camera.blur > 0:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), camera.blur), np.float32)
    if camera.motion > 0:
        size = 2 * int(np.ceil(camera.motion / 2)) + 1
        kernel = np.zeros((size, size), np.float32)
        angle = camera.motion_angle
        half = camera.motion / 2 * np.array([np.cos(angle), np.sin(angle)])
        a, b = np.round((size // 2 - half) * 16), np.round((size // 2 + half) * 16)
        start, end = (int(a[0]), int(a[1])), (int(b[0]), int(b[1]))
        cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
        out = np.asarray(cv2.filter2D(out, -1, kernel / kernel.sum()), np.float32)
    if camera.noise > 0:
        rng = np.random.default_rng([501, seed])
        grain = rng.standard_normal(out.shape, dtype=np.float32)
        out = out + grain * np.float32(camera.noise)
    done = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    if camera.jpeg > 0:
        _, data = cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
        done = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return done
