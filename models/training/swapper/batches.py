"""Batches of swaps, put together on the device: stills, and neighbouring frames of a video."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.training.crops import TEMPLATES, Floats
from models.training.on_device import Pictures, errors_of, eye_distances, similarities
from models.training.pairs import CROPS, Indices, Store
from models.training.swapper.data import TEMPLATE, where_changed
from models.training.swapper.hard import Odds
from models.training.swapper.sources import Sources, make_bank
from models.training.wear import sample_wear, some_unworn

SELF_SWAPS = 0.1
UNWORN = 0.2
GREY = 0.1
"""Part of the worn pictures that have no colours at all, besides those that wear makes grey."""
_SPREAD = 0.025  # largest error of landmarks (sd) in training, in eye distances
_TREMBLE = 0.005  # of landmarks from frame to frame: what the detector is held to


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Swaps; neighbouring frames come last, all first frames and then all second ones.

    Attributes:
        target: float32 (B, 3, S, S) RGB in [0, 1].
        truth: the same: what the swap has to be.
        face: float32 (B, 1, S, S), where the swapped face is seen.
        region: float32 (B, 1, S, S), where a swap may paint.
        source: float32 (B, 512), whose face is shown.
        centre: float32 (B, 512), the mean embedding of that face.
        own: float32 (B, 512), the mean embedding of the target's own face.
        neighbours: pairs of neighbouring frames in it.
    """

    target: Tensor
    truth: Tensor
    face: Tensor
    region: Tensor
    source: Tensor
    centre: Tensor
    own: Tensor
    neighbours: int


class Batches:
    """Draws batches from what is rendered.

    Args:
        size: side of the crops, 128 or 256.
        device: where batches are put together.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self.device = size, device
        self.still = Pictures(Store("train", crop=size), device)
        self.motion = Pictures(Store("motion", crop=size), device)
        # The recogniser's crops are smaller than the smallest store's: photos of sources come from
        # there, where most is rendered. The plans are the same.
        self._photos = self.still if size == CROPS[0] else Pictures(Store("train"), device)
        self._odds = {p.store.name: Odds(p.store.plan, p.store.name) for p in self._stores()}
        self.refresh()

    def _stores(self) -> tuple[Pictures, Pictures]:
        return self.still, self.motion

    def refresh(self) -> None:
        """Take in what has been rendered since."""
        for pictures in {*self._stores(), self._photos}:
            pictures.refresh()
        self.sources: Sources = make_bank(self._photos)
        plan = self.motion.store.plan
        groups = self.motion.ready[:: plan.group]
        known = self.sources.counts[plan.faces[self.motion.ready]] > 0
        self._sequences = groups[known.reshape(-1, plan.group).all(axis=1)]
        if not len(self.still.ready) or not len(self._sequences):
            raise FileNotFoundError(
                "there are too few pictures to learn from: scripts/train pairs train and motion"
            )
        self._chances = self._odds["train"].of(self.still.ready)
        self._sequence_chances = self._odds["motion"].of(self._sequences)

    def draw(
        self, stills: int, sequences: int, rng: np.random.Generator, ease: float = 0.0
    ) -> Batch:
        """A batch of single swaps and of pairs of neighbouring frames.

        Args:
            stills: single swaps.
            sequences: pairs of neighbouring frames.
            rng: source of all chance.
            ease: 0 for pictures as a device sees them, up to 1 for clean and exactly aligned ones.
        """
        first, second = self._stills(stills, rng)
        landmarks = np.asarray(self.still.store.landmarks[first])
        landmarks = landmarks + (1.0 - ease) * errors_of(landmarks, _SPREAD, rng)
        parts = [self._cut(self.still, first, second, landmarks)]
        faces = [self.still.store.plan.faces[second]]
        owners = [self.still.store.plan.faces[first]]
        scenes = [second // self.still.store.plan.group]
        if sequences:
            first, second = self._neighbours(sequences, rng)
            own = np.asarray(self.motion.store.landmarks[first])
            error = (1.0 - ease) * errors_of(own[:sequences], _SPREAD, rng)
            tremble = _TREMBLE * eye_distances(own[sequences:])[:, None, None]
            moved = error + rng.standard_normal(error.shape) * tremble
            own = own + np.concatenate([error, moved])
            parts.append(self._cut(self.motion, first, second, own))
            faces.append(self.motion.store.plan.faces[second])
            owners.append(self.motion.store.plan.faces[first])
            scenes.append(np.full(2 * sequences, -1))
        target, truth, face, region = (torch.cat(some) for some in zip(*parts, strict=True))
        target, truth = self._worn(target, truth, sequences, rng, ease)
        whose = np.concatenate(faces)
        source = self.sources.draw(whose, rng, np.concatenate(scenes))
        if sequences:  # one person is shown in both frames, from the same photos
            source[-sequences:] = source[-2 * sequences : -sequences]
        return Batch(
            target, truth, face, region,
            torch.from_numpy(source).to(self.device),
            torch.from_numpy(self.sources.centres[whose]).to(self.device),
            torch.from_numpy(self.sources.centres[np.concatenate(owners)]).to(self.device),
            sequences,
        )  # fmt: skip

    def _stills(self, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        group = self.still.store.plan.group
        first = rng.choice(self.still.ready, count, p=self._chances)
        step = rng.integers(1, group, count) * (rng.random(count) >= SELF_SWAPS)
        return first, first // group * group + (first + step) % group

    def _neighbours(self, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Targets and truths, all of the first frame and then all of the second."""
        groups = rng.choice(self._sequences, count, p=self._sequence_chances)
        swap = rng.integers(0, 2, count)  # either face may be the target
        first = np.concatenate([groups + swap, groups + 2 + swap])
        second = np.concatenate([groups + 1 - swap, groups + 3 - swap])
        return first, second

    def _cut(
        self, pictures: Pictures, first: Indices, second: Indices, landmarks: Floats
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        matrices = similarities(landmarks, TEMPLATES[TEMPLATE] * self.size)
        target, own = pictures.crops(first, matrices, self.size)
        truth, face = pictures.crops(second, matrices, self.size)
        return target, truth, face, where_changed(target, truth, torch.maximum(own, face))

    def _worn(
        self,
        target: Tensor,
        truth: Tensor,
        sequences: int,
        rng: np.random.Generator,
        ease: float,
    ) -> tuple[Tensor, Tensor]:
        """Wear target and truth alike, and two frames of a video by the same camera."""
        wear = sample_wear(rng, len(target), self.device, 0.6)
        grey = torch.from_numpy(rng.random(len(target)) < GREY).to(self.device)
        wear = replace(wear, grey=torch.where(grey, torch.ones_like(wear.grey), wear.grey))
        chance = UNWORN + (1.0 - UNWORN) * ease
        unworn = torch.from_numpy(rng.random(len(target)) < chance).to(self.device)
        wear = some_unworn(wear, unworn).for_two_frames(sequences)
        field = wear.field(target)
        return wear(target, field), wear(truth, field)
