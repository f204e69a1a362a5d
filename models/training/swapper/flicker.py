"""Does a swapped video flicker? The sample video is drawn, so the truth of every frame is known.

What moves is not what flickers: the target's motion from frame to frame is found (optical flow)
and undone, and what is left of an output's change counts. The crops are those of the runtime: the
face is followed from frame to frame and held steady, and trembles as much as it does on a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from rich.progress import track

from edge.faces.detect import VIDEO_PASSES
from edge.faces.follow import Follower
from edge.faces.track import Steady
from models.training.clip import SOURCE, VIDEO_PERSON, VIDEO_RATE, VIDEO_SECONDS, calm, drawn
from models.training.crops import Floats, Pixels, crop_matrix, warp
from models.training.detector.evaluate import opened
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
_GREY = cv2.COLOR_BGR2GRAY
_FIGURES = (
    "flicker",
    "flicker_unswapped",
    "flicker_of_truth",
    "error_change",
    "error_change_unswapped",
    "motion",
)
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
    detector = opened(WEIGHTS / "ref_detector.onnx")
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


def undone(before: Pixels, now: Pixels) -> Floats:
    """Where each pixel of a frame stood in the frame before, float32 (S, S, 2) x and y.

    By dense inverse search (Kroeger et al. 2016) on crops of twice the side, for its fractions of a
    pixel.

    Args:
        before: uint8 (S, S, 3) BGR.
        now: uint8 (S, S, 3) BGR.
    """
    side = now.shape[0]
    grey = [
        cv2.cvtColor(cv2.resize(p, (2 * side, 2 * side), interpolation=cv2.INTER_CUBIC), _GREY)
        for p in (now, before)
    ]
    seeker = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = seeker.calc(grey[0], grey[1], np.zeros((2 * side, 2 * side, 2), np.float32))
    small = cv2.resize(flow, (side, side), interpolation=cv2.INTER_AREA) / 2.0
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1)
    out: Floats = (places + small).astype(np.float32)
    return out


def _left(before: Pixels, now: Pixels, places: Floats) -> Floats:
    """The change between two pictures that is left when motion is undone, float32 (S, S, 3)."""
    moved = cv2.remap(
        before.astype(np.float32), places[..., 0], places[..., 1], cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    out: Floats = now - moved
    return out


def flicker(swap: Swap, frames: tuple[Frame, ...]) -> dict[str, float]:
    """How much a swapper's output changes from frame to frame: see `changes`."""
    outputs = [from_unit(swap(to_unit(target).numpy(), source())[0]) for target, _, _ in frames]
    return changes(outputs, frames)


def changes(outputs: list[Pixels], frames: tuple[Frame, ...]) -> dict[str, float]:
    """How much outputs change from frame to frame beside the target's own motion.

    The warping error (Lai et al. 2018) with the target's motion: a mean over the face, in steps of
    8 bits. Grain, blinks and sharp edges leave something of every picture; so the target as it is
    and the exact truth are measured alike.

    Args:
        outputs: uint8 (S, S, 3) BGR, one for each frame.
        frames: target, truth and where either face is seen.

    Returns:
        `flicker`; `flicker_unswapped`, the same of the target; `flicker_of_truth`; `error_change`,
        the change of the difference from the truth, which counts as well what is wrong and moves
        with the head; `error_change_unswapped`; and `motion`, the mean change of the truth.
    """
    rows = []
    for place in range(1, len(frames)):
        (old_target, old_truth, old_seen), (target, truth, seen) = frames[place - 1 : place + 1]
        face = np.maximum(old_seen, seen) > 127
        places = undone(old_target, target)
        pairs = ((outputs[place - 1], outputs[place]), (old_target, target), (old_truth, truth))
        step = truth.astype(np.float32) - old_truth
        parts = [_left(before, now, places) for before, now in pairs]
        parts += [now.astype(np.float32) - before - step for before, now in pairs[:2]]
        rows.append([np.abs(part)[face].mean() for part in (*parts, step)])
    return dict(zip(_FIGURES, np.mean(rows, axis=0).tolist(), strict=True))
