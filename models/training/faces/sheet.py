"""Draws a sheet of faces, to look at.

Run `python -m models.training.faces.sheet --out sheet.png --rows 6 --cols 8 --seed 0`; with
`--swap` the rows come in threes: targets, sources, and the sources' faces on the targets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import render
from models.training.faces.scene import sample_scene

__all__ = ["main", "sheet"]


def _trio(seed: int, size: int, plain: bool) -> list[NDArray[Any]]:
    target, source = sample_identity(seed), sample_identity(seed + 100_000)
    scene, other = sample_scene(seed, plain=plain), sample_scene(seed + 100_000, plain=plain)
    both = swapped(target, source)
    return [
        render(target, scene, size).picture, render(source, other, size).picture,
        render(both, scene, size).picture,
    ]  # fmt: skip


def sheet(
    rows: int, cols: int, seed: int, size: int, *, swap: bool = False, plain: bool = False
) -> NDArray[np.uint8]:
    """Return a sheet of faces, uint8 (H, W, 3) BGR."""
    lines = []
    if swap:
        for r in range(max(1, rows // 3)):
            trios = [_trio(seed + r * cols + c, size, plain) for c in range(cols)]
            lines += [np.hstack([t[k] for t in trios]) for k in range(3)]
    else:
        for r in range(rows):
            seeds = [seed + r * cols + c for c in range(cols)]
            faces = [render(sample_identity(s), sample_scene(s, plain=plain), size) for s in seeds]
            lines.append(np.hstack([f.picture for f in faces]))
    return np.asarray(np.vstack(lines), np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a sheet; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--cols", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--swap", action="store_true")
    parser.add_argument("--plain", action="store_true", help="no blur, noise or compression")
    parser.add_argument("--quality", type=int, default=95, help="of a .jpg, 1 to 100")
    o = parser.parse_args(arguments)
    picture = sheet(o.rows, o.cols, o.seed, o.size, swap=o.swap, plain=o.plain)
    jpeg = o.out.lower().endswith((".jpg", ".jpeg"))
    options = [cv2.IMWRITE_JPEG_QUALITY, o.quality] if jpeg else []
    return 0 if cv2.imwrite(o.out, picture, options) else 1


if __name__ == "__main__":
    raise SystemExit(main())
