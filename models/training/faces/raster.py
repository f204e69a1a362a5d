"""A z-buffer rasteriser that remembers, per sample, which triangle is in front and where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["depth_map", "grid_normals", "grid_occlusion", "rasterise", "value_noise"]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@njit(cache=True, fastmath=True, inline="always")
def _hash(x: int, y: int, seed: int) -> float:
    h = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263)
    h = h + np.uint32(seed) * np.uint32(2246822519)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    h = h ^ (h >> np.uint32(16))
    return np.float64(h & np.uint32(0xFFFFFF)) / 16777215.0


@njit(cache=True, fastmath=True)
def value_noise(x: float, y: float, seed: int) -> float:
    """Return smooth noise 0..1 with one feature per unit of x and y."""
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    fx = x - x0
    fy = y - y0
    fx = fx * fx * (3.0 - 2.0 * fx)
    fy = fy * fy * (3.0 - 2.0 * fy)
    top = _hash(x0, y0, seed) * (1.0 - fx) + _hash(x0 + 1, y0, seed) * fx
    low = _hash(x0, y0 + 1, seed) * (1.0 - fx) + _hash(x0 + 1, y0 + 1, seed) * fx
    return top * (1.0 - fy) + low * fy


@njit(cache=True, fastmath=True, error_model="numpy")
def rasterise(
    screen: F32, tri: I32, kind: Any, uv: F32, cut_kind: int, owner: I32, depth: F32, bary: F32
) -> None:
    """Draw triangles into the buffers.

    Args:
        screen: float32 (N, 3): column, row and distance of each vertex, in samples and cm.
        tri: int32 (T, 3).
        kind: int32 (T,) material of each triangle.
        uv: float32 (N, 4) surface coordinates; of hair (across, along, margin, roughness): a
            sample with a negative margin, roughened by noise, is left out.
        cut_kind: materials >= this one are cut by their margin.
        owner: int32 (H, W), -1 where empty; written.
        depth: float32 (H, W), inf where empty; written.
        bary: float32 (H, W, 2), weights of the second and third vertex; written.
    """
    height, width = depth.shape
    for t in range(tri.shape[0]):
        a, b, c = tri[t, 0], tri[t, 1], tri[t, 2]
        ax, ay = screen[a, 0], screen[a, 1]
        bx, by = screen[b, 0], screen[b, 1]
        cx, cy = screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        # The skin is closed: what is turned away is hidden.
        if abs(area) < 1e-9 or (kind[t] == 0 and area > 0.0):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        inv = 1.0 / area
        az, bz, cz = screen[a, 2], screen[b, 2], screen[c, 2]
        cut = kind[t] >= cut_kind
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w1 = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inv
                w2 = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inv
                w0 = 1.0 - w1 - w2
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                z = w0 * az + w1 * bz + w2 * cz
                if z >= depth[y, x]:
                    continue
                if cut:
                    margin = w0 * uv[a, 2] + w1 * uv[b, 2] + w2 * uv[c, 2]
                    rough = w0 * uv[a, 3] + w1 * uv[b, 3] + w2 * uv[c, 3]
                    if margin < 0.7 * rough:
                        u = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
                        v = w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]
                        rag = 0.6 * value_noise(u * 9.0, v * 0.6, 5) + 0.4 * value_noise(
                            u * 2.2, v * 0.4, 6
                        )
                        if margin + (rag - 0.5) * 1.4 * rough < 0.0:
                            continue
                depth[y, x] = z
                owner[y, x] = t
                bary[y, x, 0] = w1
                bary[y, x, 1] = w2


@njit(cache=True, fastmath=True, error_model="numpy")
def depth_map(screen: F32, tri: I32, kind: Any, uv: F32, cut_kind: int, depth: F32) -> None:
    """Draw only the distance; arguments as in `rasterise`."""
    height, width = depth.shape
    for t in range(tri.shape[0]):
        a, b, c = tri[t, 0], tri[t, 1], tri[t, 2]
        if kind[t] >= cut_kind and uv[a, 2] + uv[b, 2] + uv[c, 2] < 0.0:
            continue
        ax, ay = screen[a, 0], screen[a, 1]
        bx, by = screen[b, 0], screen[b, 1]
        cx, cy = screen[c, 0], screen[c, 1]
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9:
            continue
        inv = 1.0 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w1 = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inv
                w2 = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inv
                w0 = 1.0 - w1 - w2
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                depth[y, x] = min(depth[y, x], z)


@njit(cache=True, fastmath=True, error_model="numpy")
def grid_normals(p: F32, out: F32) -> None:
    """Write unit normals of a grid; p and out float32 (R, C, 3).

    The sign makes columns x rows point outward for a grid whose columns go from -x to +x
    seen from the front and whose rows go down.
    """
    rows, columns, _ = p.shape
    for i in range(rows):
        i0, i1 = max(i - 1, 0), min(i + 1, rows - 1)
        for j in range(columns):
            j0, j1 = max(j - 1, 0), min(j + 1, columns - 1)
            ux = p[i, j1, 0] - p[i, j0, 0]
            uy = p[i, j1, 1] - p[i, j0, 1]
            uz = p[i, j1, 2] - p[i, j0, 2]
            vx = p[i0, j, 0] - p[i1, j, 0]
            vy = p[i0, j, 1] - p[i1, j, 1]
            vz = p[i0, j, 2] - p[i1, j, 2]
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            inv = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
            out[i, j, 0] = nx * inv
            out[i, j, 1] = ny * inv
            out[i, j, 2] = nz * inv


@njit(cache=True, fastmath=True, error_model="numpy")
def grid_occlusion(p: F32, n: F32, out: F32) -> None:
    """Write ambient openness 0..1 from concavity at three scales; p, n (R, C, 3), out (R, C)."""
    rows, columns, _ = p.shape
    for i in range(rows):
        for j in range(columns):
            closed = 0.0
            for k in range(3):
                step = 2 if k == 0 else (5 if k == 1 else 10)
                for d in range(4):
                    ii = i + (step if d == 0 else (-step if d == 1 else 0))
                    jj = j + (step if d == 2 else (-step if d == 3 else 0))
                    if ii < 0 or jj < 0 or ii >= rows or jj >= columns:
                        continue
                    dx = p[ii, jj, 0] - p[i, j, 0]
                    dy = p[ii, jj, 1] - p[i, j, 1]
                    dz = p[ii, jj, 2] - p[i, j, 2]
                    length = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-6
                    rise = (dx * n[i, j, 0] + dy * n[i, j, 1] + dz * n[i, j, 2]) / length
                    if rise > 0.0:
                        closed += rise
            out[i, j] = 1.0 / (1.0 + 0.22 * closed)
