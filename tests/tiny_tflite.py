"""A tiny swap model as a .tflite file, for the backends that run those.

Slots and codes are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from tests.tiny import SWAPPER, card_text, numbers, table, vector

_ADD, _FULLY_CONNECTED, _MUL = 0, 9, 18
_OPTIONS = {_ADD: 11, _FULLY_CONNECTED: 8, _MUL: 21}


@dataclass(frozen=True)
class Operator:
    """One operator: its code, and the names of the tensors it takes and gives."""

    code: int
    inputs: tuple[str, ...]
    output: str


def model(
    tensors: dict[str, tuple[int, ...] | NDArray[np.float32]],
    operators: Sequence[Operator],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bytes:
    """Return a .tflite file; a tensor is a shape, or an array for a constant."""
    builder = flatbuffers.Builder(1024)
    place = {name: index for index, name in enumerate(tensors)}
    buffers: list[dict[int, Any]] = [{}]
    written = []
    for name, value in tensors.items():
        shape = value.shape if isinstance(value, np.ndarray) else value
        place_of_data = 0
        if isinstance(value, np.ndarray):
            place_of_data = len(buffers)
            buffers.append({0: ("offset", builder.CreateByteVector(value.tobytes()))})
        slots = {
            0: ("offset", numbers(builder, shape)),
            2: ("int32", place_of_data),
            3: ("offset", builder.CreateString(name)),
        }
        written.append(table(builder, slots))
    codes = sorted({operator.code for operator in operators})
    steps = [_operator(builder, operator, codes, place) for operator in operators]
    graph = {
        0: ("offset", vector(builder, written)),
        1: ("offset", numbers(builder, [place[name] for name in inputs])),
        2: ("offset", numbers(builder, [place[name] for name in outputs])),
        3: ("offset", vector(builder, steps)),
    }
    graphs = vector(builder, [table(builder, graph)])
    stored = vector(builder, [table(builder, slots) for slots in buffers])
    known = [
        table(builder, {0: ("int8", code), 2: ("int32", 1), 3: ("int32", code)}) for code in codes
    ]
    top = {
        0: ("int32", 3),
        1: ("offset", vector(builder, known)),
        2: ("offset", graphs),
        4: ("offset", stored),
    }
    builder.Finish(table(builder, top), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _operator(
    builder: flatbuffers.Builder, operator: Operator, codes: list[int], place: dict[str, int]
) -> int:
    slots = {
        0: ("int32", codes.index(operator.code)),
        1: ("offset", numbers(builder, [place[name] for name in operator.inputs])),
        2: ("offset", numbers(builder, [place[operator.output]])),
        3: ("int8", _OPTIONS[operator.code]),
        4: ("offset", table(builder, {})),
    }
    return table(builder, slots)


def swapper(size: int = 128, seed: int = 7) -> bytes:
    """Return a swapper of the contract of `tests.tiny.SWAPPER`, in NHWC: a tint by the source."""
    rng = np.random.default_rng(seed)
    grid = (np.arange(size) + 0.5) / size - 0.5
    ellipse = (grid[None] / 0.36) ** 2 + (grid[:, None] / 0.44) ** 2 < 1
    picture, mask = (1, size, size, 3), (1, size, size, 1)
    return model(
        {
            "target": picture,
            "source": (1, 512),
            "projection": (rng.standard_normal((3, 512)) * 2).astype(np.float32),
            "grey": np.full(3, 0.5, np.float32),
            "colour": (1, 3),
            "both": picture,
            "half": np.full(1, 0.5, np.float32),
            "output": picture,
            "nothing": np.zeros((1, 512), np.float32),
            "full": np.ones(1, np.float32),
            "one": (1, 1),
            "ellipse": ellipse.astype(np.float32)[None, :, :, None],
            "mask": mask,
        },
        [
            Operator(_FULLY_CONNECTED, ("source", "projection", "grey"), "colour"),
            Operator(_ADD, ("target", "colour"), "both"),
            Operator(_MUL, ("both", "half"), "output"),
            Operator(_FULLY_CONNECTED, ("source", "nothing", "full"), "one"),
            Operator(_MUL, ("ellipse", "one"), "mask"),
        ],
        inputs=("target", "source"),
        outputs=("output", "mask"),
    )


def install(home: Path, name: str = "tiny_swapper_lite") -> Path:
    """Write the swapper with a card of its own into a user's folders; return the model file."""
    data = swapper()
    for folder in ("cards", "models"):
        (home / "data" / folder).mkdir(parents=True, exist_ok=True)
    card = card_text(name, "swapper", SWAPPER, data, file=f"{name}.tflite")
    (home / "data" / "cards" / f"{name}.toml").write_text(card, encoding="utf-8")
    path = home / "data" / "models" / f"{name}.tflite"
    path.write_bytes(data)
    return path
