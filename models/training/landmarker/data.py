"""Crops with their true landmarks: heads of the detector's pool on backgrounds, and close-ups."""

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
from models.training.landmarker.crops import Floats, Picture, Rng, cut, shaken, to_crop
from models.training.landmarker.net import SIZE
from models.training.pairs import Indices, Store
from models.training.stopping import left_alone

CLOSE_UPS = 0.5  # share of crops that come from the store of pairs, which has far more identities
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


def sample(made_of: Sources, store: Store, rows: Indices, rng: Rng) -> tuple[Picture, Floats]:
    """Make one crop, uint8 (SIZE, SIZE, 3) BGR, and its landmarks in crop sides."""
    if rng.random() < CLOSE_UPS:
        picture, points = close_up(store, rows, rng)
    else:
        picture, points = on_canvas(made_of, rng)
    if rng.random() < 0.14:
        _covered(picture, points, made_of, rng)
    if rng.random() < 0.75:
        picture = augment.camera(np.ascontiguousarray(picture), rng)
    crop, matrix = cut(picture, shaken(points, rng), SIZE)
    return crop, to_crop(points, matrix, SIZE)


class Crops(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """An endless stream of batches."""

    def __init__(self, seed: int, batch: int) -> None:
        self.seed, self.batch = seed, batch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield uint8 (B, 3, SIZE, SIZE) RGB and float32 (B, 5, 2)."""
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        made_of, store = sources(), Store("train")
        rows = store.ready()
        while True:
            crops: list[Picture] = []
            truths: list[Floats] = []
            while len(crops) < self.batch:
                crop, truth = sample(made_of, store, rows, rng)
                crops.append(crop[..., ::-1])
                truths.append(truth)
            pictures = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
            yield pictures, torch.from_numpy(np.stack(truths))


def stream(seed: int, batch: int, workers: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Open the endless stream with worker processes."""
    crops = Crops(seed, batch)
    loader = DataLoader(
        crops, batch_size=None, num_workers=workers, prefetch_factor=4, worker_init_fn=left_alone
    )
    return iter(loader)
