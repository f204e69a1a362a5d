"""Cards for the tiny graphs, and their files on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from edge.cards import load_card
from edge.contracts import Card
from tests.tiny import HEAD

_SWAPPER = """
[input]
name = "target"
shape = [1, 3, {sides}]
channels = "RGB"
scale = {scale}
mean = {mean}
std = {std}

[output]
name = "output"
range = [0.0, 1.0]
channels = "RGB"
mask = "{mask}"

[source]
name = "source"
kind = "embedding"
recogniser = "{recogniser}"
normalise = true
{emap}
[crop]
template = "arcface_128"
size = {size}
"""


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model as it is."""
    path.write_bytes(model.SerializeToString())
    return path


def write_card(
    path: Path,
    model: Path,
    *,
    size: int = 32,
    mask: str = "",
    recogniser: str = "tiny_embedder",
    mean: float = 0.0,
    std: float = 1.0,
    name: str = "tiny_graph",
    emap: str = "",
    emap_sha256: str = "",
) -> Path:
    """Write the card of a tiny swapper; its inputs are `target` and `source`."""
    data = model.read_bytes()
    head = HEAD.format(
        name=name,
        kind="swapper",
        file=model.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    body = _SWAPPER.format(
        sides=f"{size}, {size}",
        scale=1 / 255,
        mean=[mean] * 3,
        std=[std] * 3,
        mask=mask,
        recogniser=recogniser,
        size=size,
        emap="".join(
            f'{key} = "{value}"\n'
            for key, value in (("emap", emap), ("emap_sha256", emap_sha256))
            if value
        ),
    )
    path.write_text(head + body, encoding="utf-8")
    return path


def card_of(model: Path, **values: object) -> Card:
    """Return such a card, read back."""
    path = model.with_suffix(".card.toml")
    return load_card(write_card(path, model, **values))  # type: ignore[arg-type]
