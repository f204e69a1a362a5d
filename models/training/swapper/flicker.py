"""Does a swapped video flicker? The sample video is drawn, so the truth of every frame is known.

The crops are those of the runtime: the face is followed from frame to frame and held steady, and
trembles as much as it does on a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from rich.progress import track

from edge.faces.detect import VIDEO_PASSES
from edge.faces.follow import Follower
from edge.faces.track import Steady
from models.training.clip import SOURCE, VIDEO_PERSON, VIDEO_RATE, VIDEO_SECONDS, calm, drawn
from models.training.crops import Floats, Pixels, crop_matrix, warp
from models.training.detector.evaluate import Looker
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.data import to_input
from models.training.embedder.evaluate import exported as exported_embedder
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import render
from models.training.runs import WEIGHTS
from models.training.swapper.data import TEMPLATE, from_unit, to_unit, unit
from models.training.swapper.judged import Swap

_PHOTOS = (2_300_001, 2_300_002, 2_300_005)  # scenes of the demo identity's photos
Frame = tuple[Pixels, Pixels, Pixels]


@lru_cache(maxsize=1)
def source() -> Floats:
    """The demo identity as it is enrolled from its photos, float32 (512,)."""
    crops = []
    for scene in _PHOTOS:
        shot = render(sample_identity(SOURCE), calm(scene), 640)
        matrix = crop_matrix(shot.landmarks, EMBEDDER_TEMPLATE, EMBEDDER_SIZE)
        crops.append(to_input(warp(shot.picture, matrix, EMBEDDER_SIZE)).numpy())
    return unit(exported_embedder()(np.stack(crops)).mean(axis=0))


def _frames(size: int, count: int) -> Iterator[Frame]:
    detector = Looker(WEIGHTS / "ref_detector.onnx").detector
    follower = Follower(lambda frame: detector.detect(frame, passes=VIDEO_PASSES), detector.near)
    steady, person = Steady(), sample_identity(VIDEO_PERSON)
    shown = swapped(person, sample_identity(SOURCE))
    for number in track(range(count), "video"):
        before, after = drawn(person, number), drawn(shown, number)
        faces = steady.update(follower.update(before.picture))
        if faces:
            matrix = crop_matrix(faces[0].landmarks, TEMPLATE, size)
            mask = np.maximum(before.mask, after.mask)
            pictures = (before.picture, after.picture, mask)
            target, truth, seen = (warp(picture, matrix, size) for picture in pictures)
            yield target, truth, seen


@lru_cache(maxsize=2)
def video(size: int, count: int = VIDEO_RATE * VIDEO_SECONDS) -> tuple[Frame, ...]:
    """Target, truth and where either face is seen, frame by frame, cut as the runtime cuts them."""
    return tuple(_frames(size, count))


def flicker(swap: Swap, frames: tuple[Frame, ...]) -> dict[str, float]:
    """How much the output changes from frame to frame where the truth does not.

    In a crop the head stands still. What is wrong in both of two frames alike is no flicker: it is
    the change of the error that counts, as a mean over the face, in steps of 8 bits.

    Returns:
        `flicker`; `flicker_unswapped`, the same of the target as it is; and `motion`, the mean
        change of the truth itself.
    """
    outputs = [from_unit(swap(to_unit(target).numpy(), source())[0]) for target, _, _ in frames]
    rows = []
    for place in range(1, len(frames)):
        (old_target, old_truth, old_seen), (target, truth, seen) = frames[place - 1 : place + 1]
        face = np.maximum(old_seen, seen) > 127
        step = truth.astype(np.float32) - old_truth
        made = outputs[place].astype(np.float32) - outputs[place - 1]
        left = target.astype(np.float32) - old_target
        rows.append([np.abs(part)[face].mean() for part in (made - step, left - step, step)])
    names = ("flicker", "flicker_unswapped", "motion")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))
