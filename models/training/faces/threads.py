"""Lights strands of hair and draws them as lines into the samples. Compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from models.training.faces.light import FILL_RGB, KEY, KEY_RGB, SHADOW, SPEC, ambient
from models.training.faces.lighting import shadowed
from models.training.faces.shading import display

__all__ = ["draw_threads"]


@njit(cache=True, fastmath=True, error_model="numpy")
def _colour(
    p: Any, n: Any, tangent: Any, base: Any, light: Any, shadow: float, camera: float,
    along: float, exposure: float, out: Any,
) -> None:  # fmt: skip
    """Write display RGB of a point of a hair.

    Diffuse by Kajiya and Kay (SIGGRAPH 1989); two highlights, the second through the hair and in
    its colour, shifted to root and tip, after Marschner et al. (SIGGRAPH 2003).
    """
    vx, vy, vz = -p[0], -p[1], camera - p[2]
    inv = 1.0 / np.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx * inv, vy * inv, vz * inv
    tl = tangent[0] * light[KEY] + tangent[1] * light[KEY + 1] + tangent[2] * light[KEY + 2]
    tv = tangent[0] * vx + tangent[1] * vy + tangent[2] * vz
    nk = n[0] * light[KEY] + n[1] * light[KEY + 1] + n[2] * light[KEY + 2]
    facing = max(0.0, (nk + 0.45) / 1.45) * shadow
    sin_l = np.sqrt(max(0.0, 1.0 - tl * tl))
    sin_v = np.sqrt(max(0.0, 1.0 - tv * tv))
    one, two = tl - 0.10, tl + 0.16
    first = np.sqrt(max(0.0, 1.0 - one * one)) * sin_v - one * tv
    second = np.sqrt(max(0.0, 1.0 - two * two)) * sin_v - two * tv
    first, second = max(0.0, first) ** 50, max(0.0, second) ** 16
    root = 0.50 + 0.50 * min(1.0, along * 2.5)
    for c in range(3):
        around = ambient(light, n[0], n[1], n[2], c) + 0.4 * light[FILL_RGB + c]
        value = base[c] * (light[KEY_RGB + c] * facing * (0.30 + 0.70 * sin_l) + 0.9 * around)
        shine = 0.030 * first + 0.42 * base[c] * second
        value += light[KEY_RGB + c] * light[SPEC] * facing * shine
        value += 0.02 * around * sin_v**8
        out[c] = display(value * root * exposure * 1.15)


@njit(cache=True, fastmath=True, error_model="numpy")
def _line(
    a: Any, b: Any, first: Any, second: Any, alpha_a: float, alpha_b: float, wide: int,
    of_face: bool, depth: Any, colour: Any, cover: Any,
) -> None:  # fmt: skip
    height, width = depth.shape
    dx, dy = b[0] - a[0], b[1] - a[1]
    flat = abs(dx) >= abs(dy)
    steps = int(max(abs(dx), abs(dy))) + 1
    for s in range(steps):
        t = s / steps
        z = a[2] + (b[2] - a[2]) * t
        alpha = alpha_a + (alpha_b - alpha_a) * t
        for w in range(wide):
            x = int(a[0] + dx * t + (0.0 if flat else w - 0.5 * (wide - 1)) + 0.5)
            y = int(a[1] + dy * t + (w - 0.5 * (wide - 1) if flat else 0.0) + 0.5)
            if x < 0 or y < 0 or x >= width or y >= height or z > depth[y, x] + 0.04:
                continue
            for c in range(3):
                value = first[c] + (second[c] - first[c]) * t
                colour[y, x, 2 - c] += alpha * (value - colour[y, x, 2 - c])
            cover[y, x, 0] += alpha * (1.0 - cover[y, x, 0])
            cover[y, x, 1] += alpha * ((1.0 if of_face else 0.0) - cover[y, x, 1])
            if alpha > 0.45:
                depth[y, x] = min(depth[y, x], z)


@njit(cache=True, fastmath=True, error_model="numpy")
def draw_threads(
    screen: Any, points: Any, normals: Any, colours: Any, shown: Any, thickness: float,
    of_face: bool, light: Any, light_axes: Any, maps: Any, camera: float, exposure: float,
    depth: Any, colour: Any, cover: Any,
) -> None:  # fmt: skip
    """Draw strands.

    Args:
        screen: float32 (N, K, 3), column, row and distance, in samples and cm.
        points: float32 (N, K, 3), posed.
        normals: float32 (N, K, 3), posed.
        colours: float32 (N, 3), linear RGB.
        shown: int32 (N,), how many points of each are drawn.
        thickness: of a strand in samples.
        of_face: whether the strands belong to the face part, and so into the mask.
        light: light vector.
        light_axes: of the shadow map.
        maps: shadow maps.
        camera: distance along z, cm.
        exposure: scale of light.
        depth: float32 (H, W), written.
        colour: float32 (H, W, 3) display BGR times cover, written.
        cover: float32 (H, W, 2), written.
    """
    tangent, first, second = np.empty(3), np.empty(3), np.empty(3)
    height, width = depth.shape
    strong = min(0.80, max(0.25, 0.85 * thickness))
    wide = max(1, int(thickness + 0.4))
    for i in range(points.shape[0]):
        n = shown[i]
        shadow = 1.0
        for k in range(n):
            a, b = max(0, k - 1), min(n - 1, k + 1)
            norm = 1e-9
            for c in range(3):
                tangent[c] = points[i, b, c] - points[i, a, c]
                norm += tangent[c] * tangent[c]
            inv = 1.0 / np.sqrt(norm)
            for c in range(3):
                tangent[c] *= inv
                first[c] = second[c]
            if k % 4 == 0:
                shadow = shadowed(
                    points[i, k], normals[i, k], light_axes, maps, of_face, light[SHADOW], 0.0,
                    0.7 * i,
                )  # fmt: skip
            _colour(
                points[i, k], normals[i, k], tangent, colours[i], light, shadow, camera,
                k / n, exposure, second,
            )  # fmt: skip
            if k == 0:
                continue
            before, now = screen[i, k - 1], screen[i, k]
            if max(before[0], now[0]) < 0.0 or min(before[0], now[0]) > width:
                continue
            if max(before[1], now[1]) < 0.0 or min(before[1], now[1]) > height:
                continue
            # Roots come out of the skin and tips thin out.
            u0, u1 = (k - 1) / n, k / n
            fade0 = min(1.0, 0.35 + 3.0 * u0) * min(1.0, 0.25 + 3.0 * (1.0 - u0))
            fade1 = min(1.0, 0.35 + 3.0 * u1) * min(1.0, 0.25 + 3.0 * (1.0 - u1))
            _line(
                before, now, first, second, strong * fade0, strong * fade1, wide, of_face, depth,
                colour, cover,
            )  # fmt: skip
