"""Crops with their true landmarks, and crops of what a detector may take for a face.

Faces are heads of the detector's pool on backgrounds, and close-ups of the store of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.training.detector import augment, compose, things
from models.training.detector.compose import Canvas, Sources
from models.training.detector.data import sources
from models.training.detector.pool import Head
from models.training.landmarker.crops import (
    POINTS,
    Floats,
    Picture,
    Rng,
    cut,
    shaken,
    to_crop,
)
from models.training.landmarker.net import SIZE
from models.training.pairs import Indices, Store
from models.training.stopping import left_alone

CLOSE_UPS = 0.5  # share of crops that come from the store of pairs, which has far more identities
NO_FACES = 0.3  # share of crops that show none
SMALLEST, LARGEST = 22.0, 240.0  # root of the face's area in pixels


def _covered(picture: Picture, points: Floats, made_of: Sources, rng: Rng) -> None:
    """Put something before a part of the face, in place."""
    reach = float(np.ptp(points, axis=0).max())
    side = max(6, int(reach * rng.uniform(0.4, 1.3)))
    if rng.random() < 0.5 and made_of.bank.stamps:
        stamps = made_of.bank.stamps
        cutout = things.turned(stamps[rng.integers(len(stamps))], side, rng, 180)
    else:
        cutout = things.turned(things.limb(max(side, 12), rng), side, rng, 180)
    left, top = (points.mean(0) + rng.uniform(-1.2, 0.4, 2) * reach).astype(int)
    things.paste(picture, cutout, int(left), int(top))


def on_canvas(made_of: Sources, rng: Rng) -> tuple[Picture, Floats]:
    """Place one head of the pool on a background; returns the picture and the landmarks."""
    wanted = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    head = compose.warped(made_of.head(rng, wanted), wanted, rng, 30.0)
    compose.relight(head, made_of, rng)
    if rng.random() < 0.12:
        compose.wear(head, made_of, rng)
    if rng.random() < 0.05:
        compose.tighten(head, rng)
    return _placed(made_of, head, wanted, rng)


def _placed(made_of: Sources, head: Head, wanted: float, rng: Rng) -> tuple[Picture, Floats]:
    side = int(wanted * 2.3) // 2 * 2
    canvas = Canvas(np.array(things.background(made_of.bank, side, rng)))
    centre = head.box[:2] + head.box[2:] / 2
    left, top = (side / 2 + rng.uniform(-0.3, 0.3, 2) * wanted - centre).astype(int)
    canvas.add(head, int(left), int(top), True)
    return canvas.picture, canvas.faces[0][1].points


def close_up(store: Store, rows: Indices, rng: Rng) -> tuple[Picture, Floats]:
    """Take a picture of the store at some size."""
    row = int(rows[rng.integers(len(rows))])
    picture = cast(Picture, np.array(store.pictures[row]))
    points = np.array(store.landmarks[row], np.float32)
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
        points = points[compose.FLIP]
        points[:, 0] = picture.shape[1] - 1 - points[:, 0]
    shrink = float(np.exp(rng.uniform(np.log(0.24), 0)))
    if shrink < 0.9:
        side = round(picture.shape[0] * shrink)
        exact = side / picture.shape[0]
        picture = cast(Picture, cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))
        points = (points + 0.5) * exact - 0.5
    if rng.random() < 0.5:
        picture = augment.tone(picture, rng, 0.8)
    return picture, points


def _guessed(middle: Floats, size: float, rng: Rng) -> Floats:
    """Landmarks as a detector gives them to a face of a size that it believes to be there."""
    turn = rng.normal(0, 0.2)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (POINTS - POINTS.mean(axis=0)) @ turned.T * size * rng.uniform(1.3, 2.1)
    return (points + middle).astype(np.float32)


def _object(made_of: Sources, rng: Rng) -> tuple[Picture, Floats]:
    """An animal or another object that fills the picture, taken for a face about its head."""
    side = int(np.exp(rng.uniform(np.log(48), np.log(320)))) // 2 * 2
    picture = np.array(things.background(made_of.bank, side, rng))
    if rng.random() < 0.4:
        picture[:] = things.colour(rng)
    drawn = rng.random() < 0.65 or not made_of.bank.stamps
    choice = made_of.bank.animals if drawn else made_of.bank.stamps
    cutout = things.turned(choice[rng.integers(len(choice))], side * rng.uniform(0.9, 1.6), rng, 25)
    corner = (side - np.array(cutout.shape[1::-1])) / 2 + rng.normal(0, 0.06 * side, 2)
    things.paste(picture, cutout, int(corner[0]), int(corner[1]))
    size = float(cutout.shape[0] * rng.uniform(0.22, 0.5))
    spread = 0.05 if drawn else 0.15
    middle = corner + np.array(cutout.shape[1::-1]) * rng.normal((0.5, 0.47), spread)
    return picture, _guessed(middle.astype(np.float32), size, rng)


def no_face(made_of: Sources, rng: Rng) -> tuple[Picture, Floats]:
    """A picture without a face, and where a detector may see one.

    Most are places that an earlier detector took for a face; the others a head without features, an
    animal or another object, and any place in a picture of things.
    """
    kind, hard = rng.random(), made_of.bank.hard
    if kind < 0.4 and hard:
        picture = hard[rng.integers(len(hard))]
        picture = np.ascontiguousarray(picture[:, ::-1] if rng.random() < 0.5 else picture)
        height, width = picture.shape[:2]
        size = min(height, width) / 2.6 * rng.uniform(0.8, 1.2)  # as `detector.mine` cuts them
        middle = np.array([width, height]) / 2 + rng.normal(0, 0.08 * size, 2)
        return picture, _guessed(middle.astype(np.float32), size, rng)
    if kind < 0.5:
        wanted = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        head = compose.warped(made_of.head(rng, wanted), wanted, rng, 30.0)
        compose.erase(head, rng)
        return _placed(made_of, head, wanted, rng)
    if kind < 0.8 and made_of.bank.animals:
        return _object(made_of, rng)
    side = int(np.exp(rng.uniform(np.log(64), np.log(320)))) // 2 * 2
    picture = np.array(things.background(made_of.bank, side, rng))
    things.scatter(picture, made_of.bank, rng, 2.0)
    size = float(side * np.exp(rng.uniform(np.log(0.15), np.log(0.6))))
    return picture, _guessed(rng.uniform(0, side, 2).astype(np.float32), size, rng)


def sample(made_of: Sources, store: Store, rows: Indices, rng: Rng) -> tuple[Picture, Floats, bool]:
    """Make one crop.

    Returns:
        uint8 (SIZE, SIZE, 3) BGR; its landmarks in crop sides, or where a detector saw them; and
        whether it shows a face.
    """
    is_face = rng.random() >= NO_FACES
    if not is_face:
        picture, points = no_face(made_of, rng)
    elif rng.random() < CLOSE_UPS:
        picture, points = close_up(store, rows, rng)
    else:
        picture, points = on_canvas(made_of, rng)
    if is_face and rng.random() < 0.14:
        _covered(picture, points, made_of, rng)
    if rng.random() < 0.75:
        picture = augment.camera(np.ascontiguousarray(picture), rng)
    crop, matrix = cut(picture, shaken(points, rng), SIZE)
    return crop, to_crop(points, matrix, SIZE), is_face


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Crops(IterableDataset[Batch]):
    """An endless stream of batches."""

    def __init__(self, seed: int, batch: int) -> None:
        self.seed, self.batch = seed, batch

    def __iter__(self) -> Iterator[Batch]:
        """Yield uint8 (B, 3, SIZE, SIZE) RGB, float32 (B, 5, 2), and float32 (B,) 1 for a face."""
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        made_of, store = sources(), Store("train")
        rows = store.ready()
        while True:
            made = [sample(made_of, store, rows, rng) for _ in range(self.batch)]
            pictures = np.stack([crop[..., ::-1] for crop, _, _ in made])
            yield (
                torch.from_numpy(pictures).permute(0, 3, 1, 2),
                torch.from_numpy(np.stack([truth for _, truth, _ in made])),
                torch.tensor([float(is_face) for _, _, is_face in made]),
            )


def stream(seed: int, batch: int, workers: int) -> Iterator[Batch]:
    """Open the endless stream with worker processes."""
    crops = Crops(seed, batch)
    loader = DataLoader(
        crops, batch_size=None, num_workers=workers, prefetch_factor=4, worker_init_fn=left_alone
    )
    return iter(loader)
