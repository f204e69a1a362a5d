"""Hard cases: which pictures a swapper learns from more often, and why.

Turned heads, glasses, hands and hair before the face, open mouths and eyes that look aside are
rare, and go wrong first; so do dark skin and old faces, which the first edition gained least on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.training.crops import Floats
from models.training.faces.identity import sample_identity
from models.training.pairs import Indices, Plan, scene_of

KINDS = ("profile", "glasses", "covered", "teeth", "gaze", "dark", "old")
MORE: Floats = np.array([1.0, 0.8, 0.8, 0.8, 0.6, 0.8, 0.5], np.float32)
"""How much likelier a picture of each kind is drawn; what is hard twice counts twice."""

_PROFILE = 32.0  # degrees
_GAZE = 11.0  # degrees
_MOUTH = 0.25
_SMILE = 0.65  # from here on lips part
_DARK = 5 / 6  # of the melanin scale: the darkest of six tones
_OLD = 2 / 3


@lru_cache(maxsize=20_000)
def _head(seed: int) -> tuple[bool, bool, bool]:
    person = sample_identity(seed)
    worn = person.head.glasses != "none"
    return worn, bool(person.head.melanin >= _DARK), bool(person.face.age >= _OLD)


def kinds_of(plan: Plan, index: int, name: str) -> Floats:
    """Which `KINDS` a picture is of, float32 (K,) of 0 and 1."""
    scene = scene_of(plan, index, name)
    face = scene.expression
    glasses, dark, old = _head(int(plan.heads[index]))
    found = (
        abs(scene.pose.yaw) > _PROFILE,
        glasses,
        bool(scene.occluders),
        face.mouth_open > _MOUTH or face.smile > _SMILE,
        abs(face.gaze_x) > _GAZE,
        dark,
        old,
    )
    return np.array(found, np.float32)


class Odds:
    """How likely each of a store's pictures is drawn; it learns of new pictures as they come."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._name = plan, name
        self._weights = np.zeros(len(plan.faces), np.float32)

    def of(self, indices: Indices) -> Floats:
        """The chances of pictures, float64 (R,), which add up to 1."""
        for index in indices[self._weights[indices] == 0].tolist():
            kinds = kinds_of(self._plan, index, self._name)
            self._weights[index] = 1.0 + float(kinds @ MORE)
        weights = self._weights[indices].astype(np.float64)
        chances: Floats = weights / weights.sum()
        return chances
