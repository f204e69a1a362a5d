"""What swappers are judged on: held-out people in held-out scenes, and how a swapper is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.training.crops import Floats, Pixels, crop_matrix, jittered, warp
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.data import to_input
from models.training.embedder.evaluate import exported as exported_embedder
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.pairs import Store
from models.training.runs import WEIGHTS
from models.training.swapper.data import TEMPLATE, cut_pair, unit
from models.training.swapper.files import model_name
from models.training.swapper.net import Swapper

Places = npt.NDArray[np.bool_]
Swap = Callable[[Floats, Floats], tuple[Floats, Floats]]
PHOTOS = 4  # enrolment photos per source: a held-out identity's first views, on its own head


@dataclass(frozen=True, slots=True)
class Case:
    """One held-out swap.

    Attributes:
        target: uint8 (S, S, 3) BGR.
        truth: uint8 (S, S, 3) BGR.
        face: bool (S, S), where the swapped face is seen.
        source: float32 (512,) embedding of the source's photos.
        own: float32 (512,) embedding of the target person's photos.
        photo: uint8 (112, 112, 3) BGR, one photo of the source.
    """

    target: Pixels
    truth: Pixels
    face: Places
    source: Floats
    own: Floats
    photo: Pixels


def _photo(store: Store, index: int) -> Pixels:
    rng = np.random.default_rng((98, index))
    landmarks = jittered(store.landmarks[index], 0.02, rng)
    matrix = crop_matrix(landmarks, EMBEDDER_TEMPLATE, EMBEDDER_SIZE)
    return warp(store.pictures[index], matrix, EMBEDDER_SIZE)


@lru_cache(maxsize=1)
def _people() -> dict[int, tuple[Floats, Pixels]]:
    """Embedding and a photo of each held-out person, by the exported recogniser."""
    photos, swaps = Store("photos"), Store("swaps")
    embed = exported_embedder()
    people: dict[int, tuple[Floats, Pixels]] = {}
    for face in np.unique(swaps.plan.faces).tolist():
        own = np.flatnonzero(photos.plan.faces == face)[:PHOTOS].tolist()
        crops = [_photo(photos, i) for i in own]
        mean = embed(np.stack([to_input(crop).numpy() for crop in crops])).mean(axis=0)
        people[face] = (unit(mean), crops[0])
    return people


@lru_cache(maxsize=2)
def held_out_cases(size: int) -> list[Case]:
    """Every held-out pair at a size of crops, with landmarks as a detector finds them."""
    swaps, people = Store("swaps", crop=size), _people()
    cases = []
    for first in range(0, len(swaps.done), 2):
        rng = np.random.default_rng((97, first))
        landmarks = jittered(swaps.landmarks[first], 0.015, rng)
        pair = cut_pair(swaps, first, first + 1, crop_matrix(landmarks, TEMPLATE, size))
        source, photo = people[int(swaps.plan.faces[first + 1])]
        own, _ = people[int(swaps.plan.faces[first])]
        cases.append(Case(pair.target, pair.truth, pair.face > 127, source, own, photo))
    return cases


def of_network(net: Swapper) -> Swap:
    """A network in training as a function on single crops."""
    net.eval()
    device = next(net.parameters()).device

    @torch.no_grad()
    def swap(target: Floats, source: Floats) -> tuple[Floats, Floats]:
        given = (torch.from_numpy(array)[None].to(device) for array in (target, source))
        picture, mask = net(*given)
        return picture[0].cpu().numpy(), mask[0].cpu().numpy()

    return swap


def exported(size: int = 128, path: Path | None = None) -> Swap:
    """The exported model as a function on single crops."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path or WEIGHTS / f"{model_name(size)}.onnx"),
        options,
        providers=["CPUExecutionProvider"],
    )

    def swap(target: Floats, source: Floats) -> tuple[Floats, Floats]:
        feed = {"target": target[None], "source": source[None]}
        picture, mask = session.run(["output", "mask"], feed)
        return picture[0], mask[0]

    return swap
