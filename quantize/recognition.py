"""Identity: the recogniser that says whose face a swap model's picture shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quantize.errors import BudgetError

if TYPE_CHECKING:
    from edge.contracts import CropSpec
    from quantize.budget import Budget
    from quantize.contract import ModelContract

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From a picture, float32 (1, 3, H, W) RGB in [0, 1], to the unit-length numbers of its face."""


def crop_embedder(contract: ModelContract, *, threads: int = 1) -> Embed | None:
    """Return the recogniser that judges identity in a model's pictures, if it is at hand.

    It is the one that the card names. The pictures are crops, so the face lies where the card's
    template and offset say; no detector is needed.

    Args:
        contract: what the model gives; without a card nobody knows where the face is.
        threads: for one run of the recogniser.

    Returns:
        The function, or None: no card, no recogniser named, or its file is not here.
    """
    card = contract.card
    if card is None or card.source is None or card.crop is None or not card.source.recogniser:
        return None
    from edge.errors import EdgeError
    from edge.faces.embed import open_embedder
    from edge.records import Face

    try:
        embedder = open_embedder(card.source.recogniser, threads=threads)
    except EdgeError:
        return None
    points = points_in(card.crop)

    def embed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = picture.shape[2:]
        landmarks = (points * (width, height)).astype(np.float32)
        frame = np.rint(picture[0, ::-1].transpose(1, 2, 0) * 255).astype(np.uint8)
        face = Face((0.0, 0.0, float(width), float(height)), 1.0, landmarks)
        return embedder.embed(np.ascontiguousarray(frame), face)

    return embed


def points_in(crop: CropSpec) -> NDArray[np.float64]:
    """Return where a face's landmarks lie in the crop that a card asks for.

    Args:
        crop: the card's.

    Returns:
        float64 (5, 2) x, y in sides of the crop: the template's points, moved by the card's offset.
    """
    from edge.faces.align import points_of

    return points_of(crop.template) + crop.offset / crop.size


def identity_judge(contract: ModelContract, budget: Budget, *, threads: int = 1) -> Embed:
    """Return the recogniser that a budget for identity is judged by.

    Args:
        contract: what the model gives.
        budget: what was asked for.
        threads: for one run of the recogniser.

    Raises:
        BudgetError: none is at hand.
    """
    embed = crop_embedder(contract, threads=threads)
    if embed is None:
        raise BudgetError(
            f"the budget {budget} cannot be judged: the card names no recogniser, or its "
            "model is not here; state the budget as psnr or ssim"
        )
    return embed
