"""The JSON beside a converted model: what it was made for, and how.

It is untrusted text: whatever does not have the form it should have is left out, and said so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantize.comparison import LayerFigure

if TYPE_CHECKING:
    from quantize.engine import Kernels

_MOST_BYTES = 16 << 20
_MOST_TEXT = 200  # characters
_MOST_LAYERS = 5000
_MOST_DECIBELS = 1000


@dataclass(frozen=True, slots=True)
class Companion:
    """What the JSON beside a model says.

    Attributes:
        target: the kind of device that the model was made for; empty when it does not say.
        precision: fp32, fp16, int8 or w8; empty likewise.
        recipe: name of the recipe; empty likewise.
        baked: whether an identity is baked into the model.
        layers: how sensitive each layer is.
        note: what is wrong with it, one sentence; empty when nothing is.
    """

    target: str = ""
    precision: str = ""
    recipe: str = ""
    baked: bool = False
    layers: tuple[LayerFigure, ...] = ()
    note: str = ""


def companion_paths(model: Path) -> tuple[Path, Path]:
    """Return where the JSON of a model may lie: its whole name with .json, or for its suffix."""
    return model.with_name(f"{model.name}.json"), model.with_suffix(".json")


def read_companion(model: Path, digest: str) -> Companion:
    """Read the JSON beside a model.

    Args:
        model: the model's file.
        digest: hex SHA-256 of the model; a JSON that states another one is of another model.

    Returns:
        What it says; an empty record where there is none, with a note where it is of no use.
    """
    path = next((each for each in companion_paths(model) if each.is_file()), None)
    if path is None:
        return Companion()
    try:
        if path.stat().st_size > _MOST_BYTES:
            return Companion(note=f"{path.name} is too large to be read")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Companion(note=f"{path.name} cannot be read, or is no JSON")
    if not isinstance(values, dict):
        return Companion(note=f"{path.name} is no record of a conversion")
    stated = values.get("sha256")
    if isinstance(stated, str) and stated != digest:
        return Companion(note=f"{path.name} is of another file, so it is left out")
    return Companion(
        target=_text(values.get("target")),
        precision=_text(values.get("precision")),
        recipe=_text(values.get("recipe")),
        baked=bool(values.get("baked")),
        layers=_layers(values.get("layers"), values.get("float_layers")),
    )


def _text(value: Any) -> str:
    if isinstance(value, dict):  # a record with a name
        value = value.get("name")
    return value[:_MOST_TEXT] if isinstance(value, str) else ""


def _layers(rows: Any, left_float: Any) -> tuple[LayerFigure, ...]:
    floats = (
        {name for name in left_float if isinstance(name, str)} if _is_list(left_float) else set()
    )
    found = []
    for row in rows[:_MOST_LAYERS] if _is_list(rows) else ():
        if not isinstance(row, dict):
            continue
        name, decibels = row.get("name"), _decibels(row.get("psnr"))
        if isinstance(name, str) and decibels is not None:
            operator = _text(row.get("operator"))
            found.append(LayerFigure(name[:_MOST_TEXT], operator, decibels, name in floats))
    return tuple(found)


def _decibels(value: Any) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if -_MOST_DECIBELS <= value <= _MOST_DECIBELS else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def kernels_of(companion: Companion) -> tuple[Kernels, str]:
    """Return the kernels that a model's target measures with, and a note where it is unknown.

    Only 8-bit models have integer kernels: all others run with those of this machine.
    """
    from quantize.errors import TargetError
    from quantize.targets import load_target

    if not companion.target or companion.precision not in ("int8", ""):
        return "default", ""
    try:
        return load_target(companion.target).kernels, ""
    except TargetError:
        return "default", f"its target '{companion.target}' is not known here"
