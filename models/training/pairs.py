"""Rendered faces on disk: scenes in which several faces stand on one head.

One store serves the embedder and the swapper. Its pictures come in groups of `group` that share
scene and head and differ in the face part alone. To the embedder each picture is a view of its
face part. To the swapper any two pictures of a group are a target and the exact ground truth of
swapping the other's face in: K renderings give K * (K - 1) pairs.

Run `scripts/train pairs train` (or `people`: more of them, for the recogniser; `motion`:
neighbouring frames; `photos`, `crowd`, `swaps`: the held-out sets; `targets`: single pictures for
students); it goes on where it stopped. `--count` renders the beginning alone, which is balanced
too. `--size 256` renders for crops of 256 pixels, into a store of their own. Trainers take what is
there, and what comes while they run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import render
from models.training.faces.scene import Scene, sample_scene
from models.training.folders import rendered_folder
from models.training.stopping import left_alone

CROPS = (128, 256)
"""Sides of the crops that stores are rendered for; pictures leave a margin around them."""

PEOPLE = 5000
"""Of the training plan, whom the swapper learns from too."""

HELD_OUT = 1_000_000
_AT_ONCE = 10  # pictures that a worker renders in one go: so long Ctrl-C waits
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """What to render: per picture the seeds of face part, head part and scene.

    Attributes:
        faces: int64 (N,) identity seed of the face part.
        heads: int64 (N,) identity seed of the head part.
        scenes: int64 (N,) scene seed.
        group: pictures that stand together and share head and scene; 1 for single ones.
        later: uint8 (N,) 1 where the scene is shown a frame of a video later; none by default.
    """

    faces: Indices
    heads: Indices
    scenes: Indices
    group: int
    later: npt.NDArray[np.uint8] | None = None


def train_plan(identities: int = PEOPLE, passes: int = 16, group: int = 4) -> Plan:
    """Each pass shows every identity once, so that any beginning of the store is balanced.

    The head is the first face's own in each group; the others wear it as a swap would put them.
    """
    rng = np.random.default_rng(11)
    faces = np.concatenate([rng.permutation(identities) for _ in range(passes)])
    faces = faces[: len(faces) // group * group]
    groups = np.arange(len(faces)) // group
    return Plan(faces, faces[groups * group], groups, group)


def people_plan(identities: int = 16_000, passes: int = 6, group: int = 4) -> Plan:
    """Many more people for the recogniser alone, each seldom: it has to tell strangers apart.

    They follow the people of the training plan in number, and stand in scenes of their own.
    """
    rng = np.random.default_rng(14)
    faces = PEOPLE + np.concatenate([rng.permutation(identities) for _ in range(passes)])
    groups = np.arange(len(faces)) // group
    return Plan(faces, faces[groups * group], 500_000 + groups, group)


def strangers_plan(identities: int = 1500, passes: int = 6, group: int = 4) -> Plan:
    """People whom no trainer has seen, like those of `train_plan`, in scenes of their own.

    How surely a trait is read shows on them alone: those it has learnt a network knows by heart.
    """
    rng = np.random.default_rng(15)
    faces = 200_000 + np.concatenate([rng.permutation(identities) for _ in range(passes)])
    groups = np.arange(len(faces)) // group
    return Plan(faces, faces[groups * group], 600_000 + groups, group)


def motion_plan(sequences: int = 8000, identities: int = PEOPLE) -> Plan:
    """Neighbouring frames: two faces on one head, and both a frame later.

    The people are those of the training plan, in scenes that no other plan has. Each group is
    first face, second face, first face later, second face later.
    """
    rng = np.random.default_rng(13)
    rounds = -(-sequences // identities)
    first = np.concatenate([rng.permutation(identities) for _ in range(rounds)])[:sequences]
    second = (first + rng.integers(1, identities, sequences)) % identities
    faces = np.stack([first, second, first, second], axis=1).ravel()
    later = np.tile(np.array([0, 0, 1, 1], np.uint8), sequences)
    scenes = 400_000 + np.arange(sequences)
    return Plan(faces, np.repeat(first, 4), np.repeat(scenes, 4), 4, later)


def photos_plan(identities: int = 240, views: int = 8, foreign: int = 3) -> Plan:
    """Held-out photos of held-out identities; the last `foreign` views stand on others' heads."""
    rng = np.random.default_rng(12)
    faces = HELD_OUT + np.repeat(np.arange(identities), views)
    heads = faces.copy().reshape(identities, views)
    heads[:, views - foreign :] = HELD_OUT + 5000 + rng.integers(0, 5000, (identities, foreign))
    return Plan(faces, heads.ravel(), HELD_OUT + np.arange(len(faces)), 1)


def crowd_plan(identities: int = 501, views: int = 2) -> Plan:
    """Two held-out photos each of many people of their own: who is nearest to whom?"""
    faces = HELD_OUT + 20_000 + np.repeat(np.arange(identities), views)
    return Plan(faces, faces, HELD_OUT + 200_000 + np.arange(len(faces)), 1)


def swaps_plan(identities: int = 240) -> Plan:
    """Held-out pairs: a target (first), and the next identity's face on its head (second)."""
    targets = np.arange(identities)
    sources = (targets + 1) % identities
    faces = HELD_OUT + np.stack([targets, sources], axis=1).ravel()
    heads = HELD_OUT + np.repeat(targets, 2)
    return Plan(faces, heads, HELD_OUT + 100_000 + np.repeat(targets, 2), 2)


def targets_plan(count: int = 12_000) -> Plan:
    """Targets alone, each another person in another scene: what students of a swapper are shown.

    None of the people and scenes is one of the other plans.
    """
    people = 100_000 + np.arange(count)
    return Plan(people, people, people, 1)


PLANS: dict[str, Callable[[], Plan]] = {
    "train": train_plan,
    "people": people_plan,
    "strangers": strangers_plan,
    "motion": motion_plan,
    "photos": photos_plan,
    "crowd": crowd_plan,
    "swaps": swaps_plan,
    "targets": targets_plan,
}


def crops_for(size: int) -> int:
    """Of `CROPS`, that of the stores from which a crop of `size` pixels is cut without a blur."""
    return next((crop for crop in CROPS if crop >= size), CROPS[-1])


def picture_side(crop: int) -> int:
    """Side in pixels of the pictures that crops of a side are cut from: room to be misaligned."""
    return crop * 5 // 4


class Store:
    """The pictures of a plan, memory-mapped; S is 160 for crops of 128 pixels and 320 for 256.

    Attributes:
        pictures: uint8 (N, S, S, 3) BGR.
        masks: uint8 (N, S, S), 255 where the inner face is seen.
        landmarks: float32 (N, 5, 2) in pixels.
        done: uint8 (N,) 1 where a picture is there.
    """

    def __init__(self, name: str, writable: bool = False, crop: int = 128) -> None:
        self.plan = PLANS[name]()
        self.name, self.crop, self.side = name, crop, picture_side(crop)
        self.folder = rendered_folder() / "pairs" / (name if crop == 128 else f"{name}-{crop}")
        count, side = len(self.plan.faces), self.side
        files: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "pictures": ((count, side, side, 3), np.uint8),
            "masks": ((count, side, side), np.uint8),
            "landmarks": ((count, 5, 2), np.float32),
            "done": ((count,), np.uint8),
        }
        for file, (shape, kind) in files.items():
            setattr(self, file, _mapped(self.folder / file, shape, kind, writable))

    pictures: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]
    done: npt.NDArray[np.uint8]

    def ready(self) -> Indices:
        """The pictures that are rendered, whole groups only."""
        groups = np.asarray(self.done).reshape(-1, self.plan.group).all(axis=1)
        return np.flatnonzero(np.repeat(groups, self.plan.group))


def _mapped(
    path: Path, shape: tuple[int, ...], kind: type[np.generic], writable: bool
) -> npt.NDArray[Any]:
    if not path.exists():
        if not writable:
            raise FileNotFoundError(f"{path}: render it with scripts/train pairs")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.memmap(path, dtype=kind, mode="w+", shape=shape).flush()
    return np.memmap(path, dtype=kind, mode="r+" if writable else "r", shape=shape)


@lru_cache(maxsize=4)
def _opened(name: str, crop: int) -> Store:
    return Store(name, writable=True, crop=crop)


def close_up(seed: int) -> Scene:
    """A scene of which little more than the aligned crop is drawn.

    Its face stands at about the scale of the crops, so that cutting neither blurs nor wastes
    pixels. The scene is plain: wear is added later, alike to target and truth.
    """
    scene = sample_scene(seed, plain=True)
    height = 0.59 + 0.08 * float(np.random.default_rng((301, seed)).random())
    camera = replace(scene.camera, face_height=height, offset_x=0.0, offset_y=0.0)
    return replace(scene, camera=camera)


def a_frame_later(scene: Scene) -> Scene:
    """The scene as the next frame of a video shows it: the head has turned, the face has moved.

    A frame of 1/25 second: heads turn by up to some 60 degrees in a second, lids close within
    three frames, eyes jump.
    """
    rng = np.random.default_rng((302, scene.seed))
    turn = rng.normal(0, (1.6, 0.9, 0.7))
    pose, face = scene.pose, scene.expression
    pose = replace(
        pose,
        yaw=float(pose.yaw + turn[0]),
        pitch=float(pose.pitch + turn[1]),
        roll=float(pose.roll + turn[2]),
    )
    lids = float(rng.uniform(-0.4, 0.4)) if rng.random() < 0.2 else 0.0
    look = rng.normal(0, (6.0, 3.0)) if rng.random() < 0.15 else rng.normal(0, (0.6, 0.4))

    def moved(value: float, by: float) -> float:
        return float(np.clip(value + by, 0.0, 1.0))

    face = replace(
        face,
        mouth_open=moved(face.mouth_open, rng.normal(0, 0.08)),
        lid_left=moved(face.lid_left, lids),
        lid_right=moved(face.lid_right, lids),
        gaze_x=float(np.clip(face.gaze_x + look[0], -25, 25)),
        gaze_y=float(np.clip(face.gaze_y + look[1], -15, 15)),
    )
    return replace(scene, pose=pose, expression=face)


def scene_of(plan: Plan, index: int, name: str) -> Scene:
    """The scene of a store's picture."""
    seed = int(plan.scenes[index])
    if name == "photos":
        return sample_scene(seed)
    if name == "crowd":
        return sample_scene(seed, occluder_chance=0.0)
    scene = close_up(seed)
    return a_frame_later(scene) if plan.later is not None and plan.later[index] else scene


def _render_some(name: str, crop: int, indices: list[int]) -> int:
    """Render some pictures of a store; runs in a worker process."""
    cv2.setNumThreads(1)
    store = _opened(name, crop)
    plan = store.plan
    for i in indices:
        face, head = int(plan.faces[i]), int(plan.heads[i])
        identity = sample_identity(face)
        if head != face:
            identity = swapped(sample_identity(head), identity)
        shot = render(identity, scene_of(plan, i, name), size=store.side)
        store.pictures[i] = shot.picture
        store.masks[i] = shot.mask
        store.landmarks[i] = shot.landmarks
        store.done[i] = 1
    return len(indices)


def _missing(store: Store, count: int, part: int) -> Iterator[list[int]]:
    todo = np.flatnonzero(np.asarray(store.done[:count]) == 0).tolist()
    for start in range(0, len(todo), part):
        yield todo[start : start + part]


def fill(name: str, workers: int, count: int | None = None, crop: int = 128) -> None:
    """Render what a store lacks, or its first `count` pictures do, with a progress bar."""
    store = Store(name, writable=True, crop=crop)
    count = len(store.done) if count is None else min(count, len(store.done))
    with Progress() as progress, ProcessPoolExecutor(workers, initializer=left_alone) as pool:
        bar = progress.add_task(name, total=count, completed=int(store.done[:count].sum()))
        jobs = [
            pool.submit(_render_some, name, crop, part) for part in _missing(store, count, _AT_ONCE)
        ]
        try:
            for job in as_completed(jobs):
                progress.advance(bar, job.result())
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)  # what is begun is finished, and stays
            raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", choices=sorted(PLANS))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--count", type=int, help="render only the first so many pictures")
    parser.add_argument("--size", type=int, choices=CROPS, default=128, help="of the crops")
    options = parser.parse_args()
    try:
        fill(options.store, options.workers, options.count, options.size)
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command goes on") from None


if __name__ == "__main__":
    main()
