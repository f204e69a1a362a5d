"""Do landmarks tremble? The sample video is drawn, so the truth of every frame is known.

They are those of the runtime, which follows the face from frame to frame and holds it steady.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edge.faces.detect import VIDEO_PASSES, Detector
from edge.faces.follow import Follower
from edge.faces.track import Steady
from models.training.clip import VIDEO_PERSON, VIDEO_RATE, VIDEO_SECONDS, drawn
from models.training.faces.identity import sample_identity

Floats = NDArray[np.float32]


def tremble(found: Floats, truth: Floats) -> dict[str, float]:
    """How far landmarks move from frame to frame where those of the face do not.

    What is wrong in both of two frames alike does not tremble: it is the change of the error that
    counts, as a mean over frames and landmarks. The eye distance is the largest of the video, that
    of the face from the front: those of a turned head come close to each other in the picture.

    Args:
        found: float32 (N, 5, 2) pixels, frame by frame.
        truth: float32 (N, 5, 2), where they are.

    Returns:
        `jitter` and the mean error `jitter_error`, both in eye distances.
    """
    eyes = float(np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1).max())
    error = found - truth
    change = np.linalg.norm(np.diff(error, axis=0), axis=2).mean()
    return {
        "jitter": float(change) / eyes,
        "jitter_error": float(np.linalg.norm(error, axis=2).mean()) / eyes,
    }


def jitter(detector: Detector, count: int = VIDEO_RATE * VIDEO_SECONDS) -> dict[str, float]:
    """Follow the face of the sample video; see `tremble`.

    Args:
        detector: the runtime's own.
        count: frames from the beginning.

    Raises:
        ValueError: a frame's face is not found.
    """
    follower = Follower(lambda frame: detector.detect(frame, passes=VIDEO_PASSES), detector.near)
    steady, person = Steady(), sample_identity(VIDEO_PERSON)
    found, truth = [], []
    for number in track(range(count), "video"):
        shot = drawn(person, number)
        faces = steady.update(follower.update(shot.picture))
        if not faces:
            raise ValueError(f"the face in frame {number} of the sample video is not found")
        found.append(faces[0].landmarks)
        truth.append(shot.landmarks)
    return tremble(np.array(found, np.float32), np.array(truth, np.float32))
