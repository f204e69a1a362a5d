"""Golden vectors: what a bundle's models must give, on whatever device they run.

A bundle holds a few crops of nobody, and of each what its models gave for it where they were made.
What they gave is a swapped face, and no picture of one lies anywhere without label and manifest. So
it is kept as a sketch: 1024 sums of its values with signs, from which no picture can be seen, and
which tell how far another picture is from it. docs/spec/golden-1.md states the format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError

if TYPE_CHECKING:
    from edge.bundle.contents import Contents

__all__ = [
    "BUCKETS",
    "CONTENTS",
    "FOLDER",
    "SCHEMA",
    "Golden",
    "Vector",
    "Wanted",
    "read_golden",
    "sketch",
    "sketch_psnr",
]

SCHEMA = "edge-swap/golden-1"
FOLDER, CONTENTS = "golden", "golden/vectors.json"
"""Where the vectors lie in a bundle."""

BUCKETS = 1024
"""Sums of a sketch. The square of a distance is then right within 4.4 % (one sigma): 0.2 dB."""

BEST = 99.0
"""Decibels that stand for equal pictures, as in quality reports."""

_MOST_BYTES = 4 << 20
_MOST_VECTORS = 16
_LARGEST_SIDE = 1024

Sums = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What a model gave for a crop, where it was made.

    Attributes:
        sha256: of the picture's bytes, uint8 (S, S, 3) RGB, hex.
        sums: its sketch, int64 (1024,).
    """

    sha256: str
    sums: Sums


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A crop, and what must come of it.

    Attributes:
        name: of the face of nobody.
        crop: uint8 (S, S, 3) BGR.
        source: what the model's source input is fed, float32 (1, N); None where somebody is baked
            in.
        float_model: what the untouched float model gave.
        models: what each model of the bundle gave, by the name of its card.
    """

    name: str
    crop: NDArray[np.uint8]
    source: NDArray[np.float32] | None
    float_model: Wanted
    models: Mapping[str, Wanted]


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """The golden vectors of a bundle.

    Attributes:
        vectors: at least one.
        kernels: by the name of a card, with which kernels or in which engine it was run.
    """

    vectors: tuple[Vector, ...]
    kernels: Mapping[str, str]


def sketch(picture: NDArray[np.uint8]) -> Sums:
    """Return the sketch of a picture: a count sketch with 1024 sums.

    Value number i of the picture (rows, then columns, then red, green, blue) is added to or taken
    from one sum. Which one, and the sign, come from a hash of i: i * 0x9E3779B1 in 32 bits, and
    then the last mix of MurmurHash3 (Appleby). Its low ten bits name the sum, its highest one the
    sign. The expected square of the distance of two sketches is that of the pictures (Charikar,
    Chen, Farach-Colton 2002).

    Args:
        picture: uint8 (H, W, 3) RGB.

    Returns:
        int64 (1024,).
    """
    values = picture.reshape(-1).astype(np.int64)
    hashed = np.arange(values.size, dtype=np.uint32) * np.uint32(0x9E3779B1)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        hashed = (hashed ^ hashed >> np.uint32(shift)) * np.uint32(factor)
    signed = np.where(hashed >> np.uint32(31), -values, values)
    sums = np.zeros(BUCKETS, np.int64)
    np.add.at(sums, hashed & np.uint32(BUCKETS - 1), signed)
    return sums


def sketch_psnr(one: Sums, other: Sums, side: int) -> float:
    """Return the PSNR of two pictures as their sketches have it, dB; 99 where they are equal.

    Args:
        one: sketch of one.
        other: of the other.
        side: of both, pixels.
    """
    square = float(np.square((one - other).astype(np.float64)).sum()) / (side * side * 3)
    return BEST if square == 0 else min(BEST, 10 * math.log10(255.0**2 / square))


def read_golden(folder: Path, contents: Contents, where: str) -> Golden:
    """Read the golden vectors of an open bundle.

    Args:
        folder: of the bundle.
        contents: what its bundle.toml says; only files that it names, with their hashes, are read.
        where: the bundle, for messages.

    Raises:
        BundleError: it holds none, or they have not the form of docs/spec/golden-1.md.
    """
    part = contents.part(CONTENTS)
    if part is None:
        raise BundleError(f"{where}: holds no golden vectors: build it again with 'edge build'")
    try:
        if part.size > _MOST_BYTES:
            raise ValueError("it is too large")
        values = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA or values["buckets"] != BUCKETS:
            raise ValueError(f"its format is not {SCHEMA}")
        rows = values["vectors"]
        if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_VECTORS:
            raise ValueError(f"it must hold 1 to {_MOST_VECTORS} vectors")
        kernels = {str(name): str(text) for name, text in values["kernels"].items()}
        return Golden(tuple(_vector(folder, contents, row) for row in rows), kernels)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{where}: {CONTENTS} is damaged: {error}; build it again") from error


def _vector(folder: Path, contents: Contents, row: Mapping[str, Any]) -> Vector:
    crop = cv2.imdecode(np.frombuffer(_file(folder, contents, row["crop"]), np.uint8), 1)
    if crop is None or crop.shape[0] != crop.shape[1] or crop.shape[0] > _LARGEST_SIDE:
        raise ValueError(f"{row['crop']} is no crop")
    source = None
    if row["source"] is not None:
        data = _file(folder, contents, row["source"])
        source = np.frombuffer(data, "<f4").astype(np.float32).reshape(1, -1)
        if source.size == 0 or not np.isfinite(source).all():
            raise ValueError(f"{row['source']} holds no source")
    return Vector(
        name=str(row["name"]),
        crop=cast(NDArray[np.uint8], crop),
        source=source,
        float_model=_wanted(row["float"]),
        models={str(name): _wanted(each) for name, each in row["models"].items()},
    )


def _file(folder: Path, contents: Contents, path: str) -> bytes:
    part = contents.part(path)
    if part is None or part.size > _MOST_BYTES:
        raise ValueError(f"{path!r} is no file of it")
    return (folder / path).read_bytes()


def _wanted(values: Mapping[str, Any]) -> Wanted:
    sums: Sequence[Any] = values["sums"]
    if len(sums) != BUCKETS or not all(type(each) is int and abs(each) < 2**31 for each in sums):
        raise ValueError(f"'sums' must hold {BUCKETS} whole numbers")
    return Wanted(str(values["sha256"]), np.array(sums, np.int64))
