"""The golden vectors of a bundle: crops of nobody, and what its models gave for them here.

`edge selftest` runs them on the device. docs/spec/golden-1.md states the format, and why what the
models gave is kept as a sketch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contracts import PictureSpec, TensorSpec
from edge.golden import BUCKETS, CONTENTS, FOLDER, SCHEMA, Wanted, sketch
from edge.tensors import to_picture
from quantize.contract import ModelContract
from quantize.errors import MeasureError
from quantize.quality import Outputs
from quantize.samples import Samples

__all__ = ["COUNT", "GoldenRow", "GoldenRows", "golden_rows", "wanted_of", "write_golden"]

COUNT = 3
"""Vectors in a bundle: a few dozen kilobytes, and enough to see a kernel that is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRow:
    """A crop, and what came of it; see `edge.golden.Vector`."""

    name: str
    crop: NDArray[np.uint8]
    source: NDArray[np.float32] | None
    float_model: Wanted
    made: Wanted


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRows:
    """The vectors of one conversion.

    Attributes:
        rows: the vectors.
        kernels: with which kernels, or in which engine, the converted file ran.
    """

    rows: tuple[GoldenRow, ...]
    kernels: str


def golden_rows(
    samples: Samples,
    reference: Sequence[Outputs],
    outputs: Sequence[Outputs],
    contract: ModelContract,
    kernels: str,
) -> GoldenRows | None:
    """Return golden vectors from what was measured anyway; None for a model without a card.

    Args:
        samples: held-out ones.
        reference: what the untouched float model gave for them.
        outputs: what the converted file gave for the first ones of them.
        contract: of the converted model.
        kernels: with which it ran.
    """
    card = contract.card
    if card is None or card.picture is None or contract.target is None:
        return None
    picture, rows = card.picture, []
    triples = zip(samples.feeds, reference, outputs, strict=False)  # the few that outputs has
    for number, (feeds, wanted, got) in enumerate(triples):
        source = None if contract.source is None else feeds[contract.source]
        rows.append(
            GoldenRow(
                name=samples.names[number] if samples.names else str(number + 1),
                crop=from_tensor(feeds[contract.target], card.input),
                source=None if source is None else np.asarray(source, np.float32),
                float_model=wanted_of(wanted[contract.picture], picture),
                made=wanted_of(got[contract.picture], picture),
            )
        )
    return GoldenRows(tuple(rows), kernels)


def wanted_of(tensor: NDArray[Any], spec: PictureSpec) -> Wanted:
    """Return the golden record of what a model gave, as its card says what that is."""
    if tensor.ndim == 4 and tensor.shape[1] != 3 and tensor.shape[3] == 3:
        tensor = tensor.transpose(0, 3, 1, 2)
    shown = to_picture(np.asarray(tensor, np.float32), spec)
    picture = np.ascontiguousarray(shown[:, :, ::-1])
    return Wanted(hashlib.sha256(picture.tobytes()).hexdigest(), sketch(picture))


def from_tensor(tensor: NDArray[Any], spec: TensorSpec) -> NDArray[np.uint8]:
    """Turn what a model was fed back into the crop: the inverse of `edge.tensors.to_tensor`.

    Args:
        tensor: float32 (1, 3, H, W), or (1, H, W, 3) where the contract's layout is NHWC.
        spec: the input's contract.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    planes = np.asarray(tensor, np.float64)[0]
    values = planes if spec.layout == "NHWC" else planes.transpose(1, 2, 0)
    values = (values * np.asarray(spec.std) + np.asarray(spec.mean)) / spec.scale
    ordered = values[:, :, ::-1] if spec.channels == "RGB" else values
    return np.ascontiguousarray(np.clip(np.rint(ordered), 0, 255).astype(np.uint8))


def write_golden(root: Path, made: Mapping[str, GoldenRows]) -> None:
    """Write the golden vectors into a bundle on its way.

    Args:
        root: the bundle's folder.
        made: by the name of the card of each converted model; all with the same crops.

    Raises:
        MeasureError: a crop cannot be written as a picture.
    """
    if not made:
        return
    (root / FOLDER).mkdir()
    first = next(iter(made.values())).rows
    vectors = [
        {
            "name": row.name,
            "crop": _write_crop(root, number, row.crop),
            "source": _write_source(root, number, row.source),
            "float": _shown(row.float_model),
            "models": {card: _shown(rows.rows[number].made) for card, rows in made.items()},
        }
        for number, row in enumerate(first)
    ]
    values = {
        "schema": SCHEMA,
        "buckets": BUCKETS,
        "kernels": {card: rows.kernels for card, rows in made.items()},
        "vectors": vectors,
    }
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":")) + "\n"
    (root / CONTENTS).write_text(text, encoding="utf-8")


def _write_crop(root: Path, number: int, crop: NDArray[np.uint8]) -> str:
    path = f"{FOLDER}/crop-{number + 1}.png"
    done, data = cv2.imencode(".png", crop)
    if not done:
        raise MeasureError(f"{path}: the crop cannot be encoded")
    (root / path).write_bytes(data.tobytes())
    return path


def _write_source(root: Path, number: int, source: NDArray[np.float32] | None) -> str | None:
    if source is None:
        return None
    path = f"{FOLDER}/source-{number + 1}.f32"
    (root / path).write_bytes(source.astype("<f4").tobytes())
    return path


def _shown(wanted: Wanted) -> dict[str, Any]:
    return {"sha256": wanted.sha256, "sums": wanted.sums.tolist()}
