"""Where a swapper of a size lies: its checkpoint while it is trained, and its name when shipped."""

from __future__ import annotations

from pathlib import Path

from models.training.folders import data_folder


def model_name(size: int) -> str:
    """The name of the model for crops of a size: the card's and, with .onnx, the file's."""
    return "ref_swapper" if size == 128 else f"ref_swapper_{size}"


def checkpoint(size: int) -> Path:
    """Where the trainer keeps what it has learnt for a size."""
    return data_folder() / f"swapper-{size}.pt"
