"""A pool of rendered heads, cut out with an alpha channel, that canvases draw from again and again.

Rendering is the slow part of the data; a head from the pool is placed at another size, turn, light
and background each time. The pool grows in shards while a training runs::

    python -m models.training.detector.pool --count 6000 --side 224
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.training.fresh import FRESH

# Seeds from here up are held out: no training picture ever shows these identities or scenes.
HELD_OUT = 1_000_000
SHARD = 128
Workers = FRESH.Pool


@dataclass(frozen=True, slots=True)
class Head:
    """One rendered head.

    Attributes:
        cutout: uint8 (S, S, 4) BGRA, colour not multiplied by alpha.
        points: float32 (5, 2) landmarks in pixels of the cutout.
        box: float32 (4,) x, y, width, height.
    """

    cutout: NDArray[np.uint8]
    points: NDArray[np.float32]
    box: NDArray[np.float32]

    @property
    def size(self) -> float:
        """Root of the box's area, pixels."""
        return float(np.sqrt(self.box[2] * self.box[3]))


def folder() -> Path:
    """Where the shards lie."""
    from models.training.folders import rendered_folder

    return rendered_folder() / "detector" / "pool"


def render_head(seed: int, side: int) -> Head:
    """Render identity and scene ``seed`` over black and free the person from it."""
    from models.training.faces.identity import sample_identity
    from models.training.faces.render import render_onto
    from models.training.faces.scene import sample_scene

    # Most things before a face are added later, another one each time the head is used.
    if seed >= HELD_OUT:
        scene = sample_scene(seed)
    else:
        scene = sample_scene(seed, max_yaw=70.0 if seed % 3 else 40.0, occluder_chance=0.15)
    black = np.zeros((side, side, 3), np.uint8)
    drawn = render_onto(black, sample_identity(seed), scene, (side * 0.5, side * 0.37), side * 0.42)
    alpha = drawn.alpha.astype(np.float32) / 255
    # What is held before the face may reach out of the person; it is all there is on black.
    alpha[(drawn.picture.max(2) > 8) & (alpha < 0.05)] = 1.0
    colour = np.clip(drawn.picture / np.maximum(alpha, 0.02)[..., None], 0, 255)
    cutout = np.dstack((colour, alpha * 255)).astype(np.uint8)
    return Head(cutout, drawn.landmarks.astype(np.float32), drawn.box.astype(np.float32))


def write_shard(job: tuple[int, int]) -> int:
    """Render one shard, ``job`` being its first seed and the side of its pictures."""
    first, side = job
    path = folder() / f"{side}-{first:07d}.npz"
    if path.exists():
        return 0
    cv2.setNumThreads(1)
    heads = [render_head(seed, side) for seed in range(first, first + SHARD)]
    part = path.with_suffix(".part")
    np.save(path.with_suffix(".npy"), np.stack([h.cutout for h in heads]))
    with part.open("wb") as stream:
        points = np.stack([h.points for h in heads])
        np.savez(stream, points=points, box=np.stack([h.box for h in heads]))
    part.replace(path)
    return len(heads)


class HeadPool:
    """All shards of one picture side, mapped and not read."""

    def __init__(self, side: int, held: bool = False) -> None:
        """Open the shards of training seeds, or of held-out ones."""
        self.side, self.held = side, held
        self.shards: list[tuple[NDArray[np.uint8], dict[str, NDArray[np.float32]]]] = []
        self.seen: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Open shards that were finished since the last look."""
        for path in sorted(folder().glob(f"{self.side}-*.npz")):
            first = int(path.stem.split("-")[1])
            if path in self.seen or (first >= HELD_OUT) != self.held:
                continue
            self.seen.add(path)
            truth = dict(np.load(path))
            self.shards.append((np.load(path.with_suffix(".npy"), mmap_mode="r"), truth))

    def __len__(self) -> int:
        """Count the heads."""
        return sum(len(pictures) for pictures, _ in self.shards)

    def __getitem__(self, place: int) -> Head:
        """Return head ``place``."""
        shard, row = divmod(place, SHARD)
        pictures, truth = self.shards[shard]
        return Head(np.array(pictures[row]), truth["points"][row].copy(), truth["box"][row].copy())


def fill(first: int, count: int, side: int, workers: int, console: Console) -> None:
    """Render the shards of ``count`` seeds from ``first`` that are not there yet."""
    folder().mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, SHARD)
    done = 0
    with Workers(workers) as pool:
        for made in pool.imap_unordered(write_shard, [(start, side) for start in starts]):
            done += made
            if made:
                console.print(f"{done} heads of side {side}")


def main() -> None:
    """Render the pool, shard by shard."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    fill(options.first, options.count, options.side, options.workers, Console())


if __name__ == "__main__":
    main()
