"""What a student learns from: crops of faces of nobody, and what the teacher makes of them.

The teacher is asked once for each crop, before training, and its answers lie on disk: as arrays, in
a folder that is its owner's alone, until the student is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.contracts import CropSpec
from edge.faces.align import align_to
from edge.records import Face
from models.training.crops import Floats, Pixels, jittered
from models.training.distil.teacher import Shown
from models.training.pairs import HELD_OUT, Indices, Store, crops_for
from models.training.photometric import occluded, sample_photometric

MOST_BYTES = 6 << 30
"""Of labels on disk: large crops get fewer of them."""

Place = tuple[Store, int]


def pool(size: int) -> list[Place]:
    """Every rendered target that may be learnt from: single ones, and the swapper's pictures.

    Args:
        size: side of the crops in pixels.
    """
    found: list[Place] = []
    for name in ("targets", "train"):
        try:
            store = Store(name, crop=crops_for(size))
        except FileNotFoundError:
            continue
        assert int(store.plan.scenes.max()) < HELD_OUT
        found += [(store, int(index)) for index in store.ready()]
    return found


def cut(store: Store, index: int, crop: CropSpec, landmarks: Floats, flip: bool = False) -> Pixels:
    """The crop of a stored picture as the runtime cuts it, uint8 (S, S, 3) BGR.

    Args:
        store: rendered pictures.
        index: which of them.
        crop: the card's crop.
        landmarks: float32 (5, 2) where they are taken to be.
        flip: left and right change places.
    """
    picture: Pixels = np.asarray(store.pictures[index])
    if flip:
        picture = np.ascontiguousarray(picture[:, ::-1])
        landmarks = landmarks[[1, 0, 2, 4, 3]]
        landmarks = np.stack([picture.shape[1] - 1 - landmarks[:, 0], landmarks[:, 1]], axis=1)
    return align_to(picture, Face((0.0, 0.0, 0.0, 0.0), 1.0, landmarks), crop).picture


def worn_crop(place: Place, crop: CropSpec, rng: np.random.Generator) -> Pixels:
    """A crop as a student is trained on: landmarks off, mirrored or not, worn by light and lens."""
    store, index = place
    landmarks = jittered(store.landmarks[index], rng.uniform(0.0, 0.025), rng)
    picture = cut(store, index, crop, landmarks, flip=bool(rng.random() < 0.5))
    if rng.random() < 0.04:
        picture = occluded(picture, rng)
    if rng.random() < 0.8:
        picture = sample_photometric(rng, 0.6)(picture)
    return picture


def held_out_crops(crop: CropSpec, count: int) -> list[Pixels]:
    """Crops of held-out people in held-out scenes, with landmarks as a detector makes them."""
    store = Store("swaps", crop=crops_for(crop.size))
    rngs = [(2 * k, np.random.default_rng((97, 2 * k))) for k in range(count)]
    return [cut(store, i, crop, jittered(store.landmarks[i], 0.015, rng)) for i, rng in rngs]


@dataclass(frozen=True, slots=True)
class Labels:
    """Crops and what the teacher makes of them, memory-mapped.

    Attributes:
        crops: uint8 (N, S, S, 3) BGR.
        shown: uint8 (N, S, S, 3) BGR, composited.
        masks: uint8 (N, S, S).
        done: uint8 (N,) 1 where they are there.
    """

    crops: Pixels
    shown: Pixels
    masks: Pixels
    done: Pixels

    def ready(self) -> Indices:
        """The places that are filled."""
        return np.flatnonzero(np.asarray(self.done))


def most_labels(wanted: int, size: int) -> int:
    """How many labels of a size are kept at most."""
    return max(1, min(wanted, MOST_BYTES // (7 * size * size)))


def open_labels(folder: Path, count: int, size: int) -> Labels:
    """Open the labels of a folder, or make room for them; another number of them begins anew."""
    shapes = {
        "crops": (count, size, size, 3),
        "shown": (count, size, size, 3),
        "masks": (count, size, size),
        "done": (count,),
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    arrays = {name: _mapped(folder / name, shape) for name, shape in shapes.items()}
    return Labels(**arrays)


def _mapped(path: Path, shape: tuple[int, ...]) -> Pixels:
    fits = path.exists() and path.stat().st_size == int(np.prod(shape))
    mapped: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r+" if fits else "w+", shape=shape)
    return mapped


def fill(
    labels: Labels,
    teacher: Callable[[Pixels], Shown],
    places: list[Place],
    crop: CropSpec,
    *,
    seconds: float,
    stopped: Callable[[], bool],
    told: Callable[[int], None],
) -> None:
    """Ask the teacher for what is missing, until all is there or the time is used up.

    Args:
        labels: where crops and answers go.
        teacher: what is asked.
        places: rendered targets; the first ones asked for are spread over all of them.
        crop: the teacher's crop.
        seconds: how long it may take.
        stopped: whether to stop now.
        told: told how many are there.
    """
    began = time.monotonic()
    order = np.random.default_rng(31).permutation(len(places))
    for item in np.flatnonzero(np.asarray(labels.done) == 0).tolist():
        if stopped() or time.monotonic() - began > seconds:
            return
        rng = np.random.default_rng((33, item))
        picture = worn_crop(places[order[item % len(places)]], crop, rng)
        shown = teacher(picture)
        labels.crops[item], labels.shown[item] = picture, shown.picture
        labels.masks[item] = shown.mask
        labels.done[item] = 1
        told(int(item) + 1)
