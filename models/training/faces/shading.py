"""Colours the rasterised samples: skin, eyes, mouth, hair, cloth, frames, under three lights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.features import (
    region,
    smoothstep,
)  # fmt: skip
from models.training.faces.light import FILL, FILL_RGB, GROUND, KEY, KEY_RGB, RIM, SHADOW, SKY, SPEC
from models.training.faces.mesh import CURLS, EAR, FRAME, HAIR, MASK, SKIN, WRAP
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
    NECKLINE,
    PATTERN,
    UNDERTONE,
    WRAP_R,
    pigment,
    skin,
)  # fmt: skip

__all__ = ["MASK_REACH", "shade"]

MASK_REACH = 1.02
# Display value of linear light; the table's start is fine enough after the noise of a sensor.
_GAMMA = (np.arange(4096) / 4095.0) ** 0.4545


@njit(cache=True, fastmath=True, inline="always")
def _lobe(cos: float, power: float) -> float:
    return (power + 8.0) / 25.1 * max(0.0, cos) ** power


@njit(cache=True, fastmath=True)
def _lit(
    n: Any, v: Any, albedo: Any, light: Any, shadow: float, open_: float, wrap: float, gloss: float,
    power: float, out: Any,
) -> None:  # fmt: skip
    """Write outgoing linear RGB of a surface; `wrap` softens and reddens the terminator."""
    nk = n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]
    nf = n[0] * light[FILL] + n[1] * light[FILL + 1] + n[2] * light[FILL + 2]
    up = 0.5 + 0.5 * n[1]
    nv = max(0.0, n[0] * v[0] + n[1] * v[1] + n[2] * v[2])
    hx, hy, hz = light[KEY] + v[0], light[KEY + 1] + v[1], light[KEY + 2] + v[2]
    inv = 1.0 / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6)
    nh = (n[0] * hx + n[1] * hy + n[2] * hz) * inv
    fresnel = 0.028 + 0.5 * (1.0 - nv) ** 5
    shine = gloss * light[SPEC] * (0.65 * _lobe(nh, power) + 0.35 * _lobe(nh, power * 4.0))
    shine *= 0.09 * shadow * max(0.0, min(1.0, nk * 4.0)) * (1.0 + 4.0 * (1.0 - nv) ** 4)
    for c in range(3):
        soft = wrap * (1.0 if c == 0 else (0.45 if c == 1 else 0.3))
        lit = max(0.0, (nk + soft) / (1.0 + soft))
        shade_c = shadow ** (1.0 - 0.9 * soft)
        fill = max(0.0, (nf + 0.3) / 1.3)
        ambient = light[GROUND + c] + (light[SKY + c] - light[GROUND + c]) * up
        # Closed places are lit by skin: occlusion tints toward the albedo's own colour.
        opened = open_ ** (1.25 - 0.7 * albedo[c])
        diffuse = light[KEY_RGB + c] * lit * shade_c * (0.35 + 0.65 * open_)
        diffuse += (light[FILL_RGB + c] * fill + ambient) * opened
        out[c] = albedo[c] * diffuse + light[KEY_RGB + c] * shine
        out[c] += fresnel * gloss * 0.22 * light[SKY + c] * open_ * (0.5 + up)
        out[c] += light[RIM] * 0.35 * (1.0 - nv) ** 4 * albedo[c] * light[SKY + c] * open_


@njit(cache=True, fastmath=True)
def _shadow(p: Any, n: Any, light_axes: Any, maps: Any, use_face: bool, strength: float) -> float:
    """Return the key light's visibility 0..1 by 3x3 percentage-closer filtering."""
    size = maps.shape[1]
    qx, qy, qz = p[0] + 0.35 * n[0], p[1] + 0.35 * n[1], p[2] + 0.35 * n[2]
    x = qx * light_axes[0, 0] + qy * light_axes[0, 1] + qz * light_axes[0, 2]
    y = qx * light_axes[1, 0] + qy * light_axes[1, 1] + qz * light_axes[1, 2]
    d = -(qx * light_axes[2, 0] + qy * light_axes[2, 1] + qz * light_axes[2, 2])
    sx = (x - light_axes[3, 0]) * light_axes[3, 2] - 1.0
    sy = (light_axes[3, 1] - y) * light_axes[3, 2] - 1.0
    ix, iy = int(np.floor(sx)), int(np.floor(sy))
    if ix < 0 or iy < 0 or ix + 3 >= size or iy + 3 >= size:
        return 1.0
    fx, fy = sx - ix, sy - iy
    total = 0.0
    for j in range(4):
        wy = (1.0 - fy) if j == 0 else (fy if j == 3 else 1.0)
        for i in range(4):
            wx = (1.0 - fx) if i == 0 else (fx if i == 3 else 1.0)
            near = maps[0, iy + j, ix + i]
            if use_face:
                near = min(near, maps[1, iy + j, ix + i])
            gap = d - near - 0.25
            total += wx * wy * (1.0 - min(1.0, max(0.0, gap / 0.5)))
    return 1.0 - strength * (1.0 - total / 9.0)


@njit(cache=True, fastmath=True)
def _cloth(u: float, v: float, pattern: float, rgb: Any, at: int, out: Any) -> None:
    weave = 0.86 + 0.28 * value_noise(u * 5.0, v * 5.0, 31)
    fold = 0.85 + 0.3 * value_noise(u * 0.25, v * 0.12, 32)
    k = 1.0
    if pattern == 1.0:
        k = 0.45 if np.sin(v * 2.6) > 0.2 else 1.0
    elif pattern == 2.0:
        k = (0.6 if np.sin(v * 2.0) > 0 else 1.0) * (0.7 if np.sin(u * 2.0) > 0 else 1.0)
    elif pattern == 3.0:
        k = 0.75 + 0.35 * abs(np.sin(u * 5.0 + 1.5 * np.sin(v * 7.0)))
    for c in range(3):
        out[c] = rgb[at + c] * weave * fold * k + 0.008


@njit(cache=True, fastmath=True)
def _strand(p: Any, n: Any, crown: Any, tangent: Any) -> None:
    """Write the strand's direction: away from the crown, along the surface."""
    dot = 0.0
    for c in range(3):
        tangent[c] = p[c] - crown[c]
        dot += tangent[c] * n[c]
    length = 1e-9
    for c in range(3):
        tangent[c] -= dot * n[c]
        length += tangent[c] * tangent[c]
    inv = 1.0 / np.sqrt(length)
    for c in range(3):
        tangent[c] *= inv


@njit(cache=True, fastmath=True)
def _hair(
    u: float, v: float, n: Any, tangent: Any, view: Any, rgb: Any, light: Any, shadow: float,
    open_: float, curly: bool, out: Any,
) -> None:  # fmt: skip
    """Write the colour of hair with highlights along the strands."""
    fine = value_noise(u * 7.5, v * 0.30, 41)
    lock = value_noise(u * 1.9 + 0.3 * np.sin(v * 0.7), v * 0.22, 42)
    if curly:
        fine = value_noise(u * 5.0, v * 5.0, 41)
        lock = value_noise(u * 2.0, v * 2.0, 42)
    tone = 0.30 + 0.75 * fine * (0.4 + 0.9 * lock) + 0.25 * lock
    tl = tangent[0] * light[KEY] + tangent[1] * light[KEY + 1] + tangent[2] * light[KEY + 2]
    tv = tangent[0] * view[0] + tangent[1] * view[1] + tangent[2] * view[2]
    nk = n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]
    facing = max(0.0, (nk + 0.35) / 1.35)
    sin_l = np.sqrt(max(0.0, 1.0 - tl * tl))
    diffuse = facing * (0.35 + 0.65 * sin_l) * shadow
    shift = tl + 0.25 * (fine - 0.5) + 0.08
    cos = np.sqrt(max(0.0, 1 - shift * shift)) * np.sqrt(max(0.0, 1 - tv * tv)) - shift * tv
    shine = max(0.0, cos) ** 28 * facing * shadow * light[SPEC] * (0.35 if curly else 1.0)
    up = 0.5 + 0.5 * n[1]
    for c in range(3):
        ambient = light[GROUND + c] + (light[SKY + c] - light[GROUND + c]) * up
        fill = light[FILL_RGB + c] * 0.4
        base = rgb[HAIR_R + c] * tone * 1.25
        out[c] = base * (light[KEY_RGB + c] * diffuse + (ambient + fill) * open_)
        out[c] += light[KEY_RGB + c] * shine * (0.05 + 0.45 * base) * (0.4 + fine)


@njit(cache=True, fastmath=True, error_model="numpy")
def shade(
    owner: Any, bary: Any, points: Any, normals: Any, uv: Any, openness: Any, tri: Any, kinds: Any,
    f: Any, h: Any, e: Any, light: Any, light_axes: Any, maps: Any, eyes: Any, gaze: Any,
    camera: float, gap: float, exposure: float, colour: Any, cover: Any,
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
        light: float64 (21,).
        light_axes: float64 (4, 3): the light's right, up and direction, then left, top, scale.
        maps: float32 (2, S, S), distance from the light without the face and of the face.
        eyes: float64 (3, 3), posed eyeball centres, then the crown.
        gaze: float64 (2, 3, 3), right, up and forward of each eye.
        camera: distance along z, cm.
        gap: lips' distance in cm.
        exposure: scale of light.
        colour: float32 (H, W, 3) display BGR 0..1, written.
        cover: float32 (H, W, 2), person and changeable face 0 or 1, written.
    """
    height, width = owner.shape
    p, n, v = np.empty(3), np.empty(3), np.empty(3)
    albedo, out, tangent = np.empty(3), np.empty(3), np.empty(3)
    for y in range(height):
        for x in range(width):
            t = owner[y, x]
            if t < 0:
                continue
            i0, i1, i2 = tri[t, 0], tri[t, 1], tri[t, 2]
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            for c in range(3):
                p[c] = w0 * points[i0, c] + w1 * points[i1, c] + w2 * points[i2, c]
                n[c] = w0 * normals[i0, c] + w1 * normals[i1, c] + w2 * normals[i2, c]
                v[c] = -p[c]
            v[2] += camera
            inv = 1.0 / (np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-9)
            v[0], v[1], v[2] = v[0] * inv, v[1] * inv, v[2] * inv
            inv = 1.0 / (np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9)
            kind = kinds[t]
            if kind != SKIN and n[0] * v[0] + n[1] * v[1] + n[2] * v[2] < 0.0:
                inv = -inv
            n[0], n[1], n[2] = n[0] * inv, n[1] * inv, n[2] * inv
            a = w0 * uv[i0, 0] + w1 * uv[i1, 0] + w2 * uv[i2, 0]
            b = w0 * uv[i0, 1] + w1 * uv[i1, 1] + w2 * uv[i2, 1]
            d = w0 * uv[i0, 2] + w1 * uv[i1, 2] + w2 * uv[i2, 2]
            s = w0 * uv[i0, 3] + w1 * uv[i1, 3] + w2 * uv[i2, 3]
            open_ = w0 * openness[i0] + w1 * openness[i1] + w2 * openness[i2]
            front = kind == SKIN and d > 1.0
            in_face = front and region(a, b) < 1.0
            if front and region(a, b) < MASK_REACH:
                cover[y, x, 1] = 1.0
            cover[y, x, 0] = 1.0
            shadow = _shadow(p, n, light_axes, maps, in_face, light[SHADOW])
            if kind in (HAIR, CURLS):
                _strand(p, n, eyes[2], tangent)
                near = 0.45 + 0.55 * smoothstep(-0.5, 1.5, d)
                _hair(a, b, n, tangent, v, h, light, shadow, near, kind == CURLS, out)
            elif kind == WRAP:
                _cloth(a, b, 3.0 if h[PATTERN] == 3.0 else 0.0, h, WRAP_R, albedo)
                _lit(n, v, albedo, light, shadow, 0.9, 0.1, 0.1, 8.0, out)
            elif kind == FRAME:
                for c in range(3):
                    albedo[c] = h[FRAME_R + c]
                _lit(n, v, albedo, light, shadow, 0.9, 0.0, 1.2, 60.0, out)
            elif kind == MASK:
                pale = h[PATTERN] > 1.0
                for c in range(3):
                    albedo[c] = 0.70 if pale else (0.36, 0.56, 0.66)[c]
                weave = 0.93 + 0.1 * value_noise(a * 7.0, b * 7.0, 9)
                for c in range(3):
                    albedo[c] *= weave
                _lit(n, v, albedo, light, shadow, 0.95, 0.15, 0.1, 8.0, out)
            elif kind == SKIN and b < -17.4 - 1.5 * h[NECKLINE] - 2.6 * h[NECKLINE] * np.exp(
                -((a / 3.2) ** 2)
            ) * (1.0 if d > 0.0 else 0.0):
                _cloth(a, b, h[PATTERN], h, CLOTH_R, albedo)
                _lit(n, v, albedo, light, shadow, open_, 0.1, 0.12, 8.0, out)
            else:
                _skin_sample(
                    a, b, d, s, p, n, v, f, h, e, light, shadow, open_, front and kind == SKIN,
                    kind == EAR, eyes, gaze, camera, gap, albedo, out,
                )  # fmt: skip
            for c in range(3):
                value = max(0.0, out[c] * exposure)
                # A gentle shoulder keeps highlights from clipping.
                value = value * (1.0 + 0.15 * value) / (1.0 + 0.55 * value)
                colour[y, x, 2 - c] = _GAMMA[int(min(1.0, value * 1.18) * 4095.0)]


@njit(cache=True, fastmath=True)
def _skin_sample(
    a: float, b: float, d: float, s: float, p: Any, n: Any, v: Any, f: Any, h: Any, e: Any,
    light: Any, shadow: float, open_: float, front: bool, ear: bool, eyes: Any, gaze: Any,
    camera: float, gap: float, albedo: Any, out: Any,
) -> None:  # fmt: skip
    """Write the colour of a sample of skin, eye or mouth."""
    if ear:
        r, g, bl = pigment(h[MELANIN], h[HEMOGLOBIN] * 0.6 + 0.25, h[UNDERTONE])
        albedo[0], albedo[1], albedo[2] = r, g, bl
        _lit(n, v, albedo, light, shadow, open_, 0.45, 0.35, 14.0, out)
        return
    r, g, bl, gloss, hole, across = skin(a, b, d, f, h, e, front)
    if hole == EYE_HOLE:
        k = 0 if a < 0.0 else 1
        ball = np.empty(3)
        near = eye(p, eyes[k], gaze[k], camera, f, e, across, b, k, light, shadow, albedo, ball)
        # The white scatters light: its shading follows the lids about as much as the sphere.
        soft = np.empty(3)
        for c in range(3):
            soft[c] = 0.5 * ball[c] + 0.5 * n[c]
        _lit(soft, v, albedo, light, 0.4 + 0.6 * shadow, near * open_, 0.3, 0.0, 20.0, out)
        gleam = glint(ball, v, gaze[k], light, shadow) * smoothstep(0.3, 0.75, near)
        for c in range(3):
            out[c] = out[c] * (0.35 + 0.65 * near) + gleam
        return
    if hole == MOUTH_HOLE:
        near = mouth(a, across, gap, f, h, e, albedo)
        n[0], n[1], n[2] = 0.15 * a, 0.0, 1.0
        _lit(n, v, albedo, light, 0.3 + 0.7 * shadow, near, 0.3, 0.25 * near, 30.0, out)
        return
    albedo[0], albedo[1], albedo[2] = r, g, bl
    if s > 0.0:
        dots = 0.75 + 0.4 * value_noise((a + 0.75 * d) * 11.0, (b + 0.35 * d) * 11.0, 77)
        cover = min(0.92, s * dots)
        for c in range(3):
            albedo[c] += cover * (h[HAIR_R + c] * 0.8 - albedo[c])
    # Pores: a little roughness in the normal breaks up the highlight.
    across, down = (a + 0.75 * d) * 8.0, (b + 0.35 * d) * 8.0
    n[0] += 0.10 * (value_noise(across, down, 51) - 0.5)
    n[1] += 0.10 * (value_noise(across + 50.0, down, 52) - 0.5)
    _lit(n, v, albedo, light, shadow, open_, 0.42, gloss, 13.0, out)
