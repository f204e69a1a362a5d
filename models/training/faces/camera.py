"""What lens, sensor, processing and file format do to a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.scene import Camera

__all__ = ["develop"]

F32 = NDArray[np.float32]
_MIDDLE = np.float32(118.0)  # display value of 18 % grey
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # ITU-R BT.601, of BGR


def _through_lens(picture: F32, camera: Camera) -> F32:
    """Fringe colours, darken corners, blur, and move while the shutter is open."""
    out = picture
    height, width = out.shape[:2]
    if camera.fringe:
        planes = []
        for plane, zoom in zip(cv2.split(out), (-camera.fringe, 0.0, camera.fringe), strict=True):
            if zoom:
                k = 1.0 + zoom
                shift = np.array(
                    [[k, 0, (1 - k) * width / 2], [0, k, (1 - k) * height / 2]], np.float32
                )
                plane = cv2.warpAffine(
                    plane, shift, (width, height), flags=cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )  # fmt: skip
            planes.append(plane)
        out = np.asarray(cv2.merge(planes), np.float32)
    if camera.vignette > 0:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        out = out * (1 - np.float32(camera.vignette) * 0.5 * (x * x + y * y))[..., None]
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
    return out


def _noisy(picture: F32, camera: Camera, seed: int) -> F32:
    """Add the noise of photons and of reading, as it looks after demosaicing.

    A sensor's noise has a variance that grows linearly with the light (Foi et al., IEEE TIP 2008);
    the gamma of 2.2 then makes it largest in the shadows. A Bayer sensor sees green twice as often
    as red and blue, whose noise comes out coarser and stronger.
    """
    rng = np.random.default_rng([501, seed])
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    for c, wide in enumerate((1.8, 1.0, 1.8)):
        sigma = camera.grain * wide
        plane = cv2.GaussianBlur(grain[..., c], (0, 0), sigma)
        # A Gaussian of sd s leaves 1 / (2 s sqrt(pi)) of the deviation, where it is wide enough.
        grain[..., c] = plane * np.float32(max(1.0, 2.0 * sigma * 1.772) * (1.15, 1.0, 1.15)[c])
    tone = np.clip(picture @ _LUMA / 255.0, 0.01, 1.0)
    linear = tone**2.2
    middle = np.float32(0.5**2.2)
    variance = (1 - camera.shot) + camera.shot * linear / middle
    slope = (tone / 0.5) ** -1.2  # of the gamma curve, 1 at middle grey
    sd = camera.noise * np.sqrt(variance) * np.clip(slope, 0.4, 2.2)
    return np.asarray(picture + grain * sd[..., None].astype(np.float32), np.float32)


def develop(picture: NDArray[np.float32], camera: Camera, seed: int) -> NDArray[np.uint8]:
    """Make a photograph of a picture.

    Args:
        picture: float32 (H, W, 3) BGR, 0..255.
        camera: strengths.
        seed: of the noise; the same seed gives the same noise whatever the picture shows.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    out = _through_lens(picture, camera)
    if camera.noise > 0:
        out = _noisy(out, camera, seed)
    if camera.warmth:
        gain = 2.0 ** (camera.warmth / 2 / 2.2)
        out = out * np.array([1 / gain, 1.0, gain], np.float32)
    luma = np.asarray(out @ _LUMA, np.float32)
    out = luma[..., None] + (out - luma[..., None]) * np.float32(camera.saturation)
    if camera.contrast != 1.0:
        out = np.asarray(_MIDDLE + (out - _MIDDLE) * camera.contrast, np.float32)
    if camera.sharpen > 0:
        soft = np.asarray(cv2.GaussianBlur(out, (0, 0), 1.0), np.float32)
        out = out + (out - soft) * np.float32(camera.sharpen)
    done = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    if camera.jpeg > 0:
        _, data = cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
        done = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return done
