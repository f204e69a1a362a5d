"""A finished student: its ONNX file and its card, marked as a baked model is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import onnx
import torch

from models.training.distil.net import Student
from models.training.distil.teacher import Teacher
from models.training.export import export
from quantize.baking import register_baked, stamp
from quantize.bundle_cards import card_text
from quantize.modelfile import digest_of
from quantize.outputs import Staging


def model_of(net: Student, teacher: Teacher, path: Path) -> onnx.ModelProto:
    """Write a student as ONNX, with whose identity it holds in its metadata.

    Args:
        net: the student.
        teacher: whose student it is.
        path: the file.
    """
    still = copy.deepcopy(net).eval().requires_grad_(False)
    example = torch.rand(1, 3, net.size, net.size)
    model = export(still, (example,), ["target"], ["output", "mask"], path)
    stamp(model, teacher.baked)
    onnx.save(model, str(path))
    return model


def card_of(name: str, size: int, file: Path, teacher: Teacher) -> dict[str, Any]:
    """The values of a student's card: the contract of the reference swapper, and a baked identity.

    Args:
        name: of the card.
        size: side of the crop in pixels.
        file: the student's ONNX file.
        teacher: whose student it is; its licence is the student's too.
    """
    card = teacher.card
    template = teacher.crop.template
    points = template if isinstance(template, str) else [list(point) for point in template]
    crop = {
        "template": points,
        "size": size,
        "fit": teacher.crop.fit,
        "offset": teacher.crop.offset,
    }
    return {
        "name": name,
        "kind": "swapper",
        "title": f"Student of {card.name} for one identity, {size} pixels",
        "file": file.name,
        "sha256": digest_of([file]),
        "size": file.stat().st_size,
        "precision": "fp32",
        "licence": {
            "name": card.licence.name,
            "commercial": card.licence.commercial,
            "training_data": f"rendered faces of nobody, as {card.name} swaps them; of that model: "
            f"{card.licence.training_data}",
        },
        "input": {
            "name": "target",
            "shape": [1, 3, size, size],
            "channels": "RGB",
            "scale": 1 / 255,
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
        },
        "output": {
            "name": "output",
            "range": [0.0, 1.0],
            "channels": "RGB",
            "mask": "mask",
            "composited": True,
            # All students composite so; that their mask is a share to rely on, they learn from
            # their teacher.
            "exact_mask": teacher.exact,
        },
        "source": {"kind": "baked", "identity": teacher.baked.commitment},
        "crop": crop,
    }


def card_name(path: Path) -> str:
    """A card's name after a file's: lower-case letters, digits, '_', '-' and '.' alone."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in path.stem)
    kept = kept.lower().lstrip("_-.")
    return kept or "student"


def publish(
    net: Student, teacher: Teacher, output: Path, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """Write model and card into the output's folder: both or none, their owner's alone.

    Args:
        net: the student.
        teacher: whose student it is.
        output: the .onnx file; the card's name is the same, ending in .toml.
        overwrite: whether an earlier student of that name is replaced.

    Returns:
        Model and card.

    Raises:
        OutputError: a file cannot be written, or another one took its name meanwhile.
    """
    with Staging(output.absolute().parent) as staging:
        register_baked(teacher.baked, staging.folder)
        file = staging.path(output.name)
        model_of(net, teacher, file)
        card = staging.path(output.with_suffix(".toml").name)
        values = card_of(card_name(output), net.size, file, teacher)
        card.write_text(card_text(values), encoding="utf-8")
        staging.publish(
            output.name,
            overwrite=overwrite,
            private=True,
            made=lambda path: register_baked(teacher.baked, path),
        )
    return output, output.with_suffix(".toml")
