"""What a surface sends to the camera under two lamps and an ambient cube. Compiled, per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.light import FILL, FILL_RGB, KEY, KEY_RGB, RIM, SIZE, SPEC, ambient

__all__ = ["lit", "shadowed", "turned"]

_TAPS = 10
# Vogel's spiral: points that fill a disc evenly, whatever their number.
_ANGLE = np.arange(_TAPS) * np.pi * (3.0 - 5.0**0.5)
_SPIRAL = (
    np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)
    * np.sqrt((np.arange(_TAPS) + 0.5) / _TAPS)[:, None]
)


@njit(cache=True, fastmath=True, inline="always")
def turned(x: int, y: int) -> float:
    """Return an angle that differs from sample to sample: interleaved gradient noise.

    J. Jimenez, "Next Generation Post Processing in Call of Duty: Advanced Warfare", 2014.
    """
    v = 0.06711056 * x + 0.00583715 * y
    v = 52.9829189 * (v - np.floor(v))
    return float(2.0 * np.pi * (v - np.floor(v)))


@njit(cache=True, fastmath=True)
def lit(
    n: Any, smooth: Any, v: Any, albedo: Any, light: Any, shadow: float, open_: float, wrap: float,
    gloss: float, power: float, out: Any,
) -> None:  # fmt: skip
    """Write outgoing linear RGB of a surface.

    Args:
        n: unit normal with its pores, float64 (3,).
        smooth: unit normal without them. Red light travels far under skin and sees this one.
        v: unit vector to the camera.
        albedo: linear RGB.
        light: light vector.
        shadow: how much of the key is seen, 0..1.
        open_: ambient openness, 0..1.
        wrap: how far light creeps behind the terminator; red most, as in skin.
        gloss: strength of the highlight.
        power: Blinn's exponent of the highlight.
        out: written.
    """
    key = smooth[0] * light[KEY] + smooth[1] * light[KEY + 1] + smooth[2] * light[KEY + 2]
    rough = n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]
    nf = n[0] * light[FILL] + n[1] * light[FILL + 1] + n[2] * light[FILL + 2]
    nv = max(0.0, n[0] * v[0] + n[1] * v[1] + n[2] * v[2])
    hx, hy, hz = light[KEY] + v[0], light[KEY + 1] + v[1], light[KEY + 2] + v[2]
    inv = 1.0 / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6)
    nh = (n[0] * hx + n[1] * hy + n[2] * hz) * inv
    rx, ry, rz = 2.0 * nv * n[0] - v[0], 2.0 * nv * n[1] - v[1], 2.0 * nv * n[2] - v[2]
    edge = (1.0 - nv) ** 4
    fresnel = 0.03 + 0.45 * edge * (1.0 - nv)
    # A large lamp blurs its own highlight.
    wide = power / (1.0 + 0.5 * power * light[SIZE] * light[SIZE])
    shine = 0.0
    if gloss > 0.0 and rough > 0.0 and nh > 0.4:
        once = nh**wide
        twice = once * once * once * np.sqrt(once)  # to the power of 3.5
        shine = 0.6 * (wide + 8.0) * once + 0.4 * (3.5 * wide + 8.0) * twice
        shine *= gloss * light[SPEC] / 25.1
    shine *= 0.085 * shadow * max(0.0, min(1.0, rough * 4.0)) * (1.0 + 4.0 * edge)
    around = 0.25 * light[SIZE]
    half_lit = np.sqrt(shadow)
    for c in range(3):
        soft = wrap * (1.0, 0.42, 0.25)[c] + around
        nk = key + (rough - key) * (0.35, 0.75, 1.0)[c]
        direct = max(0.0, (nk + soft) / (1.0 + soft))
        reach = shadow + (half_lit - shadow) * 1.5 * wrap * (1.0, 0.35, 0.2)[c]
        fill = max(0.0, (nf + 0.3) / 1.3)
        # Closed places are lit by skin: occlusion tints toward the albedo's own colour.
        opened = open_ * (1.0 + (1.0 - open_) * (0.8 * albedo[c] - 0.4))
        diffuse = light[KEY_RGB + c] * direct * reach * (0.35 + 0.65 * open_)
        diffuse += light[FILL_RGB + c] * fill * opened
        diffuse += ambient(light, smooth[0], smooth[1], smooth[2], c) * opened
        out[c] = albedo[c] * diffuse + light[KEY_RGB + c] * shine
        out[c] += fresnel * gloss * 1.1 * ambient(light, rx, ry, rz, c) * open_
        out[c] += light[RIM] * 0.5 * edge * albedo[c] * ambient(light, 0.0, 0.3, -0.95, c) * open_


@njit(cache=True, fastmath=True)
def shadowed(
    p: Any, n: Any, light_axes: Any, maps: Any, use_face: bool, strength: float, size: float,
    turn: float,
) -> float:  # fmt: skip
    """Return how much of the key light a point sees, 0..1.

    Percentage-closer soft shadows (R. Fernando, SIGGRAPH 2005 sketches): the mean distance of what
    is in the way says how wide the half-shadow is.

    Args:
        p: point, cm.
        n: unit normal.
        light_axes: float64 (4, 3): the light's right, up and direction, then left, top, scale.
        maps: float32 (2, S, S), distance from the light without the face and of the face.
        use_face: whether the face part throws a shadow here.
        strength: 0..1.
        size: tangent of the light's angular radius.
        turn: angle that the taps are turned by.
    """
    side = maps.shape[1]
    if n[0] * light_axes[2, 0] + n[1] * light_axes[2, 1] + n[2] * light_axes[2, 2] < -0.65:
        return 1.0  # turned away from the lamp anyhow
    scale = light_axes[3, 2]
    reach = min(7.0, max(1.4, size * 4.5 * scale))
    bias = 0.30 + 0.22 * size
    qx, qy, qz = p[0] + bias * n[0], p[1] + bias * n[1], p[2] + bias * n[2]
    x = qx * light_axes[0, 0] + qy * light_axes[0, 1] + qz * light_axes[0, 2]
    y = qx * light_axes[1, 0] + qy * light_axes[1, 1] + qz * light_axes[1, 2]
    d = -(qx * light_axes[2, 0] + qy * light_axes[2, 1] + qz * light_axes[2, 2]) - 0.2
    sx = (x - light_axes[3, 0]) * scale
    sy = (light_axes[3, 1] - y) * scale
    if sx < 9.0 or sy < 9.0 or sx > side - 10.0 or sy > side - 10.0:
        return 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    total, blockers = 0.0, 0
    for k in range(_TAPS):
        i = int(sx + reach * (cos * _SPIRAL[k, 0] - sin * _SPIRAL[k, 1]) + 0.5)
        j = int(sy + reach * (sin * _SPIRAL[k, 0] + cos * _SPIRAL[k, 1]) + 0.5)
        near = maps[0, j, i]
        if use_face:
            near = min(near, maps[1, j, i])
        if near < d:
            total += near
            blockers += 1
    if blockers == 0:
        return 1.0
    half = min(8.0, max(1.1, size * (d - total / blockers) * scale))
    seen = 0.0
    for k in range(_TAPS):
        i = int(sx + half * (cos * _SPIRAL[k, 0] - sin * _SPIRAL[k, 1]) + 0.5)
        j = int(sy + half * (sin * _SPIRAL[k, 0] + cos * _SPIRAL[k, 1]) + 0.5)
        near = maps[0, j, i]
        if use_face:
            near = min(near, maps[1, j, i])
        seen += 1.0 - min(1.0, max(0.0, (d - near) / 0.45))
    return 1.0 - strength * (1.0 - seen / _TAPS)
