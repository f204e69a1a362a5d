"""What a bench needs and takes nothing of this device's own for: a home, a picture, an identity.

Keys, ledger and consent are made for the occasion, in a folder that goes when it is over; the
people are faces of nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge import resources
from edge.errors import OutputError, UsageError
from edge.media.image import encode_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.consent.identity import Identity
    from edge.faces.embed import Embedder
    from edge.records import Face

__all__ = ["fit", "home_in", "identity_of_nobody", "photo_of", "sample_with"]

_SAMPLES = {1: "sample-one.jpg", 2: "sample-two.jpg", 3: "sample-three.jpg"}


@contextmanager
def home_in(folder: Path) -> Iterator[None]:
    """Give this process keys and a ledger of its own; the user's models stay where they are.

    Args:
        folder: Where they are kept meanwhile; exists, and holds no `home` yet.
    """
    before = os.environ.get("EDGE_HOME")
    data = resources.data_dir().absolute()
    home = folder / "home"
    home.mkdir()
    if data.is_dir():
        (home / "data").symlink_to(data)
    os.environ["EDGE_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["EDGE_HOME"]
        else:
            os.environ["EDGE_HOME"] = before


def sample_with(faces: int) -> Path:
    """Return the sample picture that shows so many people.

    Raises:
        UsageError: There is none with so many.
        OutputError: It is not where it was installed.
    """
    if faces not in _SAMPLES:
        raise UsageError(f"there are samples with 1 to {max(_SAMPLES)} faces, not {faces}")
    path = resources.samples_dir() / _SAMPLES[faces]
    if not path.is_file():
        raise OutputError(f"{path}: the sample picture is missing: install edge-swap again")
    return path


def fit(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a frame to another size, keeping its proportions.

    Args:
        frame: uint8 (H, W, 3) BGR.
        size: Width and height in pixels.

    Returns:
        uint8 (height, width, 3) BGR; its edge is repeated to the right and below where the
        proportions differ.
    """
    width, height = size
    scale = min(width / frame.shape[1], height / frame.shape[0])
    columns = min(width, max(1, round(frame.shape[1] * scale)))
    rows = min(height, max(1, round(frame.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(frame, (columns, rows), interpolation=method)
    padded = cv2.copyMakeBorder(small, 0, height - rows, 0, width - columns, cv2.BORDER_REPLICATE)
    return cast("NDArray[np.uint8]", padded)


def photo_of(frame: NDArray[np.uint8], face: Face, folder: Path) -> Path:
    """Write the part of a frame around a face as a picture of its own.

    Args:
        frame: uint8 (H, W, 3) BGR.
        face: In it.
        folder: Where the picture is written.
    """
    x, y, width, height = face.box
    left, top = max(0, round(x - width / 2)), max(0, round(y - height / 2))
    part = frame[top : round(y + 1.5 * height), left : round(x + 1.5 * width)]
    path = folder / "photo.png"
    path.write_bytes(encode_picture(np.ascontiguousarray(part), None, "image/png"))
    return path


def identity_of_nobody(
    embedder: Embedder, frame: NDArray[np.uint8], face: Face, photo: Path
) -> Identity:
    """Return an identity of nobody: a face of a sample.

    Args:
        embedder: The recogniser whose words the identity is in.
        frame: uint8 (H, W, 3) BGR: the sample.
        face: In it.
        photo: The picture that the consent names.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edge.consent.identity import Embedding, new_identity
    from edge.consent.record import new_consent
    from edge.consent.terms import NOBODY, Terms

    key = Ed25519PrivateKey.generate()
    terms = Terms(
        subject=NOBODY, adult=True, intimate=False, purposes=("research",), claim="synthetic"
    )
    consent = new_consent(terms, [photo], key)
    vector = embedder.embed(frame, face)
    return new_identity(consent, {embedder.card.name: Embedding(embedder.card.sha256, vector)}, key)
