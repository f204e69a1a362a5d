"""The emap: the matrix that inswapper and its kin multiply embeddings with.

It lies among the model's weights though no operator reads it. So it is found by what it is, a
512 x 512 matrix of full rank that nothing reads, and not by its place, which every tool that
rewrites a model changes. Here the file itself is read, at the time that the model is opened: then
a plain model file is all that one needs, and its hash covers the matrix too. A converted model has
its emap in a .npy file beside it, whose hash its card states.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.backends._onnx_contents import unread_matrices
from edge.cards_swap import IN_MODEL
from edge.contracts import Card, SourceSpec
from edge.errors import ModelError

_MOST_HEADER = 1024  # bytes of a .npy file's header


def load_emap(card: Card, model: Path) -> NDArray[np.float32] | None:
    """Return the emap that a card asks for.

    Args:
        card: A swapper's card.
        model: The model's file.

    Returns:
        float32 (N, N), read-only; an embedding is multiplied with it from the left. None where the
        card asks for none.

    Raises:
        ModelError: It is missing, or there are several, or it is not the one that the card means.
    """
    spec = card.source
    if spec is None or not spec.emap:
        return None
    if spec.emap == IN_MODEL:
        matrix = _from_model(card, model, spec.length)
    else:
        matrix = _from_file(card, spec, model.parent / spec.emap)
    matrix.setflags(write=False)
    return matrix


def is_emap(matrix: NDArray[np.floating]) -> bool:
    """Return whether a matrix can map embeddings: it is finite, and of full rank."""
    if not np.isfinite(matrix).all():
        return False
    rank = int(np.linalg.matrix_rank(matrix.astype(np.float64)))
    return rank == len(matrix)


def _from_model(card: Card, model: Path, length: int) -> NDArray[np.float32]:
    if model.suffix != ".onnx":
        raise ModelError(
            f"model {card.name}: an emap can be read from an .onnx file only, not from "
            f"{model.name}: name its .npy file as 'emap' on the card"
        )
    found = [each for each in unread_matrices(model, length) if is_emap(each.values)]
    if not found:
        raise ModelError(
            f"model {card.name}: {model} holds no emap, a {length} x {length} matrix that no "
            "operator reads; a tool that rewrote the model dropped it: use the original file"
        )
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ModelError(
            f"model {card.name}: {model} holds several matrices that could be the emap ({names}): "
            "use the original file"
        )
    return found[0].values


def _from_file(card: Card, spec: SourceSpec, path: Path) -> NDArray[np.float32]:
    shape = (spec.length, spec.length)
    most = 8 * spec.length * spec.length + _MOST_HEADER
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ModelError(
            f"model {card.name}: cannot read its emap {path}: {error.strerror}"
        ) from error
    if hashlib.sha256(data).hexdigest() != spec.emap_sha256:
        raise ModelError(f"model {card.name}: {path} is not the emap that its card means")
    try:
        matrix = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ModelError(f"model {card.name}: {path} is no .npy file") from error
    fits = isinstance(matrix, np.ndarray) and matrix.shape == shape and matrix.dtype.kind == "f"
    if not fits or not is_emap(matrix):
        raise ModelError(f"model {card.name}: {path} holds no emap of {shape[0]} x {shape[1]}")
    return cast(NDArray[np.float32], matrix.astype(np.float32))
