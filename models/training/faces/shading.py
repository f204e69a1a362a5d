"""Colours the rasterised samples: skin, eyes, mouth, hair, cloth, frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import region, smoothstep
from models.training.faces.identity import FACE_INDEX
from models.training.faces.light import (
    FILL_RGB,
    KEY,
    KEY_RGB,
    SHADOW,
    SIZE,
    ambient,
)  # fmt: skip
from models.training.faces.lighting import lit, shadowed, turned
from models.training.faces.mesh import CLOTH, CURLS, EAR, FRAME, HAIR, MASK, SKIN, WRAP
from models.training.faces.openings import eye, glint, mouth
from models.training.faces.raster import value_noise
from models.training.faces.skin import (
    CLOTH_R,
    EYE_HOLE,
    FRAME_R,
    HAIR_R,
    HEMOGLOBIN,
    MELANIN,
    MOUTH_HOLE,
    PATTERN,
    UNDERTONE,
    WRAP_R,
    pigment,
    skin,
    unrolled,
)  # fmt: skip

__all__ = ["MASK_REACH", "display", "shade"]

MASK_REACH = 1.02
_AGE = FACE_INDEX["age"]


def _tones() -> Any:
    """Return display values of linear light 0..1: sRGB's exponent, then a camera's S-curve."""
    y = (np.arange(4096) / 4095.0) ** 0.4545
    return y - 0.16 * np.sin(2 * np.pi * y) / (2 * np.pi)


_TONES = _tones()


@njit(cache=True, fastmath=True, inline="always")
def display(value: float) -> float:
    """Return the display value 0..1 of linear light; a shoulder keeps highlights from clipping."""
    value = max(0.0, value)
    value = value * (1.0 + 0.15 * value) / (1.0 + 0.55 * value)
    return float(_TONES[int(min(1.0, value * 1.18) * 4095.0)])


@njit(cache=True, fastmath=True)
def _cloth(u: float, v: float, pattern: float, rgb: Any, at: int, n: Any, out: Any) -> None:
    """Write the colour of cloth, and roughen its normal by weave and folds."""
    weave = value_noise(u * 7.0, v * 7.0, 31)
    knit = pattern == 3.0
    if knit:
        weave = abs(np.sin(u * 5.0 + 1.2 * np.sin(v * 6.0)))
    long_fold = value_noise(u * 0.30 + 0.12 * v, v * 0.10, 32) - 0.5
    side_fold = value_noise(u * 0.30 + 0.12 * v + 0.35, v * 0.10, 32) - 0.5
    n[0] += 1.3 * (side_fold - long_fold)
    n[1] += 0.5 * (value_noise(u * 0.2, v * 0.45, 33) - 0.5)
    if knit:
        n[0] += 0.3 * np.cos(u * 5.0 + 1.2 * np.sin(v * 6.0))
    k = 1.0
    if pattern == 1.0:
        k = 0.45 if np.sin(v * 2.6) > 0.2 else 1.0
    elif pattern == 2.0:
        k = (0.6 if np.sin(v * 2.0) > 0 else 1.0) * (0.7 if np.sin(u * 2.0) > 0 else 1.0)
    for c in range(3):
        out[c] = rgb[at + c] * (0.82 + 0.3 * weave) * k + 0.006


@njit(cache=True, fastmath=True)
def _hair(
    u: float, v: float, n: Any, light: Any, rgb: Any, shadow: float, open_: float, curly: bool,
    out: Any,
) -> None:  # fmt: skip
    """Write the colour of the mass of hair under the strands, which are drawn over it."""
    if curly:
        fine, lock = value_noise(u * 5.0, v * 5.0, 41), value_noise(u * 2.0, v * 2.0, 42)
    else:
        fine = value_noise(u * 7.5, v * 0.30, 41)
        lock = value_noise(u * 1.9 + 0.3 * np.sin(v * 0.7), v * 0.22, 42)
    tone = 0.20 + 0.45 * fine * (0.4 + 0.9 * lock) + 0.2 * lock
    nk = n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]
    facing = max(0.0, (nk + 0.35) / 1.35) * shadow
    for c in range(3):
        around = ambient(light, n[0], n[1], n[2], c) + 0.4 * light[FILL_RGB + c]
        out[c] = rgb[HAIR_R + c] * tone * (light[KEY_RGB + c] * facing + around * open_)


@njit(cache=True, fastmath=True, error_model="numpy")
def shade(
    owner: Any, bary: Any, points: Any, normals: Any, uv: Any, openness: Any, tri: Any, kinds: Any,
    f: Any, h: Any, e: Any, light: Any, light_axes: Any, maps: Any, eyes: Any, gaze: Any,
    camera: float, gap: float, exposure: float, fine: float, block: int, colour: Any, cover: Any,
) -> None:  # fmt: skip
    """Fill the picture.

    Args:
        owner: from `rasterise`.
        bary: from `rasterise`.
        points: float32 (N, 3), posed.
        normals: float32 (N, 3), posed.
        uv: float32 (N, 4).
        openness: float32 (N,).
        tri: int32 (T, 3).
        kinds: int32 (T,).
        f: face vector.
        h: head vector.
        e: expression vector.
        light: light vector.
        light_axes: float64 (4, 3): the light's right, up and direction, then left, top, scale.
        maps: float32 (2, S, S), distance from the light without the face and of the face.
        eyes: float64 (3, 3), posed eyeball centres, then the crown.
        gaze: float64 (2, 3, 3), right, up and forward of each eye.
        camera: distance along z, cm.
        gap: lips' distance in cm.
        exposure: scale of light.
        fine: samples per cm.
        block: samples per pixel and side; only the face is lit sample by sample.
        colour: float32 (H, W, 3) display BGR 0..1, written.
        cover: float32 (H, W, 2), person and changeable face 0 or 1, written.
    """
    height, width = owner.shape
    p, n, v, smooth = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    albedo, out, ball = np.empty(3), np.empty(3), np.empty(3)
    for y in range(height):
        for x in range(width):
            t = owner[y, x]
            if t < 0:
                continue
            i0, i1, i2 = tri[t, 0], tri[t, 1], tri[t, 2]
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            kind = kinds[t]
            a = w0 * uv[i0, 0] + w1 * uv[i1, 0] + w2 * uv[i2, 0]
            b = w0 * uv[i0, 1] + w1 * uv[i1, 1] + w2 * uv[i2, 1]
            d = w0 * uv[i0, 2] + w1 * uv[i1, 2] + w2 * uv[i2, 2]
            front = kind == SKIN and d > 1.0
            inner = region(a, b) if front else 9.0
            cover[y, x, 0] = 1.0
            if inner < MASK_REACH:
                cover[y, x, 1] = 1.0
            else:
                y0, x0 = y - y % block, x - x % block
                before = owner[y0, x0] if y0 != y or x0 != x else -1
                alike = before >= 0 and kinds[before] == kind and cover[y0, x0, 1] == 0.0
                if alike and kind != FRAME and kind != EAR:
                    for c in range(3):
                        colour[y, x, c] = colour[y0, x0, c]
                    continue
            for c in range(3):
                p[c] = w0 * points[i0, c] + w1 * points[i1, c] + w2 * points[i2, c]
                n[c] = w0 * normals[i0, c] + w1 * normals[i1, c] + w2 * normals[i2, c]
                v[c] = -p[c]
            v[2] += camera
            inv = 1.0 / (np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-9)
            v[0], v[1], v[2] = v[0] * inv, v[1] * inv, v[2] * inv
            inv = 1.0 / (np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9)
            if kind != SKIN and n[0] * v[0] + n[1] * v[1] + n[2] * v[2] < 0.0:
                inv = -inv
            n[0], n[1], n[2] = n[0] * inv, n[1] * inv, n[2] * inv
            smooth[0], smooth[1], smooth[2] = n[0], n[1], n[2]
            s = w0 * uv[i0, 3] + w1 * uv[i1, 3] + w2 * uv[i2, 3]
            open_ = w0 * openness[i0] + w1 * openness[i1] + w2 * openness[i2]
            shadow = shadowed(
                p, n, light_axes, maps, inner < 1.0, light[SHADOW], light[SIZE], turned(x, y)
            )
            if kind in (HAIR, CURLS):
                near = 0.45 + 0.55 * smoothstep(-0.5, 1.5, d)
                _hair(a, b, n, light, h, shadow, near, kind == CURLS, out)
            elif kind in (CLOTH, WRAP):
                at = CLOTH_R if kind == CLOTH else WRAP_R
                knit = 3.0 if h[PATTERN] == 3.0 else 0.0
                _cloth(a, b, h[PATTERN] if kind == CLOTH else knit, h, at, n, albedo)
                lit(n, n, v, albedo, light, shadow, open_, 0.12, 0.05, 5.0, out)
            elif kind == FRAME:
                for c in range(3):
                    albedo[c] = h[FRAME_R + c]
                lit(n, n, v, albedo, light, shadow, 0.9, 0.0, 1.4, 60.0, out)
            elif kind == MASK:
                pale = h[PATTERN] > 1.0
                weave = 0.93 + 0.1 * value_noise(a * 7.0, b * 7.0, 9)
                for c in range(3):
                    albedo[c] = weave * (0.70 if pale else (0.36, 0.56, 0.66)[c])
                lit(n, n, v, albedo, light, shadow, 0.95, 0.15, 0.1, 8.0, out)
            else:
                _skin_sample(
                    a, b, d, s, p, n, smooth, v, f, h, e, light, shadow, open_, front,
                    kind == EAR, eyes, gaze, camera, gap, fine, albedo, ball, out,
                )  # fmt: skip
            for c in range(3):
                colour[y, x, 2 - c] = display(out[c] * exposure)


@njit(cache=True, fastmath=True)
def _roughened(a: float, b: float, d: float, old: float, fine: float, n: Any) -> float:
    """Roughen a normal by pores; return how the highlight breaks up, about 1."""
    across, down = unrolled(a, b, d)
    across, down = across * 7.0, down * 7.0
    much = 0.12 + 0.10 * old
    n[0] += much * (value_noise(across, down, 51) - 0.5)
    n[1] += much * (value_noise(across + 50.0, down, 52) - 0.5)
    broken = 0.75 + 0.5 * value_noise(across * 1.6, down * 1.6, 53)
    if fine > 18.0:
        # Pores of half a millimetre show only where samples are dense enough.
        k = 0.13 * min(1.0, (fine - 18.0) / 20.0)
        n[0] += k * (value_noise(across * 3.1, down * 3.1, 54) - 0.5)
        n[1] += k * (value_noise(across * 3.1 + 20.0, down * 3.1, 55) - 0.5)
        broken *= 0.8 + 0.4 * value_noise(across * 3.1, down * 3.1, 56)
    return float(broken)


@njit(cache=True, fastmath=True)
def _skin_sample(
    a: float, b: float, d: float, s: float, p: Any, n: Any, smooth: Any, v: Any, f: Any, h: Any,
    e: Any, light: Any, shadow: float, open_: float, front: bool, ear: bool, eyes: Any, gaze: Any,
    camera: float, gap: float, fine: float, albedo: Any, ball: Any, out: Any,
) -> None:  # fmt: skip
    """Write the colour of a sample of skin, eye or mouth."""
    if ear:
        r, g, bl = pigment(h[MELANIN], h[HEMOGLOBIN] * 0.6 + 0.35, h[UNDERTONE])
        albedo[0], albedo[1], albedo[2] = r, g, bl
        lit(n, smooth, v, albedo, light, shadow, open_, 0.55, 0.4, 12.0, out)
        # Light from behind shines through, red.
        through = max(0.0, -(n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]))
        for c in range(3):
            out[c] += through * light[KEY_RGB + c] * albedo[c] * (0.30, 0.06, 0.03)[c] * shadow
        return
    r, g, bl, gloss, power, hole, across = skin(a, b, d, f, h, e, front)
    if hole == EYE_HOLE:
        k = 0 if a < 0.0 else 1
        near, wet = eye(p, eyes[k], gaze[k], camera, f, e, across, b, k, light, albedo, ball)
        # The white scatters light: its shading follows the lids about as much as the sphere.
        soft = smooth
        for c in range(3):
            soft[c] = 0.5 * ball[c] + 0.5 * n[c]
        lit(soft, soft, v, albedo, light, 0.3 + 0.7 * shadow, near * open_, 0.3, 0.0, 20.0, out)
        for c in range(3):
            out[c] *= 0.30 + 0.70 * near
        glint(ball, v, gaze[k], light, shadow * smoothstep(0.2, 0.6, near), wet, out)
        return
    if hole == MOUTH_HOLE:
        near, wet = mouth(a, across, gap, f, e, albedo)
        n[0] = 0.35 * np.sin(a * 1.1) + 0.12 * n[0]
        n[1], n[2] = 0.15, 0.9
        lit(n, n, v, albedo, light, 0.35 + 0.65 * shadow, near, 0.3, 0.8 * near * wet, 24.0, out)
        for c in range(3):
            out[c] *= 0.35 + 0.65 * near
        return
    albedo[0], albedo[1], albedo[2] = r, g, bl
    if s > 0.0:
        across, down = unrolled(a, b, d)
        dots = 0.75 + 0.4 * value_noise(across * 11.0, down * 11.0, 77)
        covered = min(0.92, s * dots)
        for c in range(3):
            albedo[c] += covered * (h[HAIR_R + c] * 0.8 - albedo[c])
    # Only the face's own skin may tell its age.
    old = f[_AGE] if front and region(a, b) < 1.0 else 0.0
    gloss *= _roughened(a, b, d, old, fine, n)
    lit(n, smooth, v, albedo, light, shadow, open_, 0.45, gloss, power, out)
