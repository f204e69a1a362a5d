"""The sample video as it is drawn: what is shipped, and what a swapper's flicker is judged on.

Because it is drawn, the exact truth of a swap of each frame can be drawn too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from models.training.faces.places import place
from models.training.faces.render import Rendered, render_onto
from models.training.faces.scene import Expression, Pose, sample_scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.training.faces.identity import Identity
    from models.training.faces.scene import Scene

SOURCE = 2_000_112
"""Seed of the demo identity. Two million and up is used by no training."""

VIDEO_PERSON = 2_000_107
"""Seed of the person in the video."""

VIDEO_SIZE = (640, 360)
VIDEO_RATE = 25
VIDEO_SECONDS = 4
_SCENE, _PLACE = 2_200_021, 2_100_006


def calm(seed: int, yaw: float = 18.0) -> Scene:
    """Return a scene that a good photographer would keep: sharp, lit, nothing in the way."""
    scene = sample_scene(seed, max_yaw=yaw, occluder_chance=0.0, plain=True)
    pose = replace(scene.pose, pitch=scene.pose.pitch * 0.4, roll=scene.pose.roll * 0.4)
    expression = replace(scene.expression, lid_left=0.0, lid_right=0.0)
    return replace(scene, pose=pose, expression=expression)


def _moment(scene: Scene, second: float) -> Scene:
    """Return `scene` a little later: the head sways, speaks, blinks and looks about."""
    turn = 2 * math.pi * second / VIDEO_SECONDS
    pose = Pose(22 * math.sin(turn), 5 * math.sin(2 * turn + 0.5), 5 * math.sin(turn + 1.0))
    blink = max(0.0, 1 - abs((second % 1.7) - 1.2) / 0.12)
    speak = max(0.0, math.sin(2 * math.pi * 1.9 * second)) * 0.45
    return replace(
        scene,
        pose=pose,
        expression=Expression(
            mouth_open=speak * (1 if second < 2.6 else 0.15),
            smile=0.25 + 0.5 * max(0.0, math.sin(turn - 2.2)),
            brow_raise=0.25 + 0.25 * math.sin(turn * 2),
            brow_frown=0.0,
            lid_left=blink,
            lid_right=blink,
            gaze_x=-10 * math.sin(turn),
            gaze_y=2.0,
        ),
    )


@lru_cache(maxsize=1)
def _place() -> NDArray[np.uint8]:
    return place(VIDEO_SIZE[1], VIDEO_SIZE[0], _PLACE)


def drawn(person: Identity, number: int) -> Rendered:
    """Draw a frame of the video.

    Args:
        person: who; the truth of a swap is the same frame with another face part.
        number: which frame, from 0.
    """
    width, height = VIDEO_SIZE
    shown = _moment(calm(_SCENE), number / VIDEO_RATE)
    drift = 18 * math.sin(2 * math.pi * number / (VIDEO_RATE * VIDEO_SECONDS))
    return render_onto(_place(), person, shown, (width / 2 + drift, height * 0.47), 190.0)
