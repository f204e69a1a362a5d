"""A face part as the numbers that made it, standardised over the training identities."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.training.crops import Floats
from models.training.faces.identity import FACE_INDEX, sample_identity

_TRAITS = [name for name in FACE_INDEX if name != "detail"]  # the seed of moles is not one
ASYMMETRY = _TRAITS.index("asymmetry")
"""The column of the trait that turns its sign in the mirror."""


@lru_cache(maxsize=2)
def trait_table(identities: int) -> Floats:
    """Traits of the first identities, float32 (N, T)."""
    rows = [sample_identity(seed).face.vector() for seed in range(identities)]
    table = np.delete(np.stack(rows), FACE_INDEX["detail"], axis=1)
    scores: Floats = ((table - table.mean(axis=0)) / (table.std(axis=0) + 1e-6)).astype(np.float32)
    return scores
