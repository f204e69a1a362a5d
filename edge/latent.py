"""From an embedding to what a swapper's identity input is fed, as its card says."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.contracts import SourceSpec
from edge.errors import IdentityError

Floats = NDArray[np.float32]


def latent_of(
    embedding: Floats,
    spec: SourceSpec,
    *,
    emap: Floats | None = None,
    convert: Callable[[Floats], Floats] | None = None,
) -> Floats:
    """Turn an embedding into a latent.

    1. The converter, where there is one.
    2. Unit length, where the card says `normalise`.
    3. Times the emap, where there is one; then unit length again for insightface's models, and not
       for FaceFusion's reading of them. The two differ in length alone, which steers how strongly
       the identity is shown.

    Args:
        embedding: float32 (N,) or (1, N), as the recogniser gives it.
        spec: The card's source.
        emap: float32 (N, N).
        convert: float32 (1, N) to float32 (1, N).

    Returns:
        float32 (1, N).

    Raises:
        IdentityError: The embedding, or what was made of it, is of another length than the model
            takes, zero, or not finite.
    """
    values = np.asarray(embedding, np.float32).reshape(1, -1)
    _length_of(values, spec)
    if convert is not None:
        values = convert(values)
    length = _length_of(values, spec)
    if spec.normalise:
        values = values / np.float32(length)
    if emap is not None:
        values = values @ emap
        length = _length_of(values, spec)
        if spec.latent == "insightface":
            values = values / np.float32(length)
    return cast(Floats, np.asarray(values, np.float32))


def _length_of(values: Floats, spec: SourceSpec) -> float:
    """Return the Euclidean length of a usable vector."""
    length = float(np.linalg.norm(values.astype(np.float64)))
    if values.shape != (1, spec.length):
        raise IdentityError(
            f"the identity's embedding holds {values.size} numbers where the model takes "
            f"{spec.length}: enrol with {spec.recogniser}"
        )
    if not np.isfinite(length) or length == 0:
        raise IdentityError("the identity's embedding holds no usable numbers: enrol it again")
    return length
