"""Batches of canvases, made by worker processes while the network trains."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.training.detector.assign import candidates, ignored
from models.training.detector.compose import Sample, Sources, compose
from models.training.detector.losses import Truth
from models.training.detector.pool import HeadPool
from models.training.detector.things import open_bank
from models.training.stopping import left_alone

# Canvas side, share of the batches, canvases in a batch: the work of a batch stays alike.
SIZES = ((256, 0.58, 32), (320, 0.22, 20), (512, 0.20, 8))
Batch = tuple[torch.Tensor, Truth]


def sources(held: bool = False) -> Sources:
    """Open the pictures and heads of the training half or of the held-out one."""
    bank = open_bank("held" if held else "train")
    return Sources(bank, HeadPool(224, held), HeadPool(448, held))


def collate(samples: list[Sample]) -> Batch:
    """Stack canvases of one size.

    Returns:
        uint8 (B, 3, S, S) RGB in channels-last memory, and the truth of its faces.
    """
    pictures = np.stack([s.picture[..., ::-1] for s in samples])
    height, width = pictures.shape[1:3]
    boxes = np.concatenate([s.boxes for s in samples])
    owner = np.concatenate([np.full(len(s.boxes), i) for i, s in enumerate(samples)])
    truth = Truth(
        torch.from_numpy(owner.astype(np.int64)),
        torch.from_numpy(boxes),
        torch.from_numpy(np.concatenate([s.points for s in samples])),
        torch.from_numpy(candidates(boxes, height, width)),
        torch.from_numpy(np.stack([ignored(s.ignored, height, width) for s in samples])),
    )
    return torch.from_numpy(pictures).permute(0, 3, 1, 2), truth


class Canvases(IterableDataset[Batch]):
    """An endless stream of batches.

    What worker ``w`` of trainer ``rank`` makes follows from the seed, the rank and ``w``. The sizes
    of the canvases do not depend on the rank, so that no trainer waits for a larger batch.
    """

    def __init__(self, seed: int, rank: int = 0, held: bool = False) -> None:
        """Take the seed of the stream, the trainer's number and which half to use."""
        self.seed, self.rank, self.held = seed, rank, held

    def __iter__(self) -> Iterator[Batch]:
        """Make batches for ever."""
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        number = worker.id if worker else 0
        sizes = np.random.default_rng((self.seed, number))
        rng = np.random.default_rng((self.seed, number, self.rank, 17))
        made_of = sources(self.held)
        shares = [share for _, share, _ in SIZES]
        batches = 0
        while True:
            side, _, count = SIZES[sizes.choice(len(SIZES), p=shares)]
            yield collate([compose(made_of, side, rng) for _ in range(count)])
            batches += 1
            if batches % 50 == 0:
                made_of.heads.refresh()
                made_of.large.refresh()


def stream(seed: int, rank: int, workers: int) -> Iterator[Batch]:
    """Open the endless stream of one trainer with worker processes."""
    canvases = Canvases(seed, rank)
    loader = DataLoader(
        canvases, batch_size=None, num_workers=workers, prefetch_factor=4, worker_init_fn=left_alone
    )
    return iter(loader)
