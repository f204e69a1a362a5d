"""Try a model once before it is trusted: on this machine, this engine and this provider.

Files in half precision, and providers that claim an operator and get it wrong, have given whole
user bases black squares. So a model that is seen for the first time here is shown one crop that is
made up, and must answer with numbers that are finite and not all the same. The outcome is
remembered by the model's hash, the machine, the engine's version and the provider.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import resources
from edge.backends import Session
from edge.consent.storage import writable_by_others
from edge.contracts import Card, TensorSpec
from edge.errors import BackendError, ModelError
from edge.loading import check_fit, named
from edge.machine import this_machine
from edge.ports import Wanted, inputs_of, outputs_of
from edge.tensors import to_tensor

_FREE_SIDE = 256
"""Side of the made-up picture where the model takes any; all strides divide it."""

_FLAT = 1e-6
"""Spread, as a share of an output's range, below which it counts as one value everywhere."""

_FLAT_IS_FINE = ("masker", "gate")
"""Kinds whose answer to a picture of nothing may rightly be the same everywhere."""

_SHOWN = frozenset(("float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "int32"))
"""Types of numbers that a picture can be made of."""

_MOST_REMEMBERED = 1000


def check_model(card: Card, session: Session) -> None:
    """Try a model once, unless it was tried here before.

    Args:
        card: Its card.
        session: The model, open.

    Raises:
        ModelError: Its inputs or outputs are not those of its card, or hold no numbers.
        BackendError: It fails, or gives values that are no numbers, or one value everywhere.
    """
    cache = resources.cache_dir() / "self-tests.json"
    key = _key(card, session)
    known = _read(cache)
    if key in known:
        return
    try_model(card, session)
    _write(cache, [*known, key][-_MOST_REMEMBERED:])


def try_model(card: Card, session: Session) -> None:
    """Show a model one made-up crop and check what it answers; see `check_model`."""
    wanted = {named(card, each.name, session.inputs): each for each in inputs_of(card)}
    outputs = [named(card, each.name, session.outputs) for each in outputs_of(card)]
    check_fit(card, session, wanted, outputs)
    feeds = {name: _made_up(each) for name, each in wanted.items()}
    answers = dict(zip(session.outputs, session.run(feeds), strict=True))
    where = f"on {session.provider} ({session.engine} {session.engine_version})"
    for name in outputs:
        shown = card.picture is not None and name == outputs[0]
        _check_numbers(card, name, answers[name], picture=shown)
    used = {name: np.asarray(answers[name]) for name in outputs}
    for name, values in used.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BackendError(
                f"model {card.name}: its self-test failed {where}: output '{name}' holds values "
                "that are no numbers; use a float32 file of it, or another provider"
            )
    if card.kind not in _FLAT_IS_FINE and _is_flat(card, used):
        raise BackendError(
            f"model {card.name}: its self-test failed {where}: it gives one value everywhere; use "
            "a float32 file of it, or another provider"
        )


def _check_numbers(card: Card, name: str, values: Any, *, picture: bool) -> None:
    """Check that an output is an array that holds numbers.

    Args:
        card: The model's card.
        name: Name of the output.
        values: What the engine gave for it.
        picture: Whether it is a swapper's picture.

    Raises:
        ModelError: It holds none: texts, a list of arrays, nothing.
    """
    if isinstance(values, np.ndarray):
        numbers = values.dtype.name in _SHOWN if picture else values.dtype.kind in "fiub"
        if numbers and values.size:
            return
        what = f"{values.dtype.name} {list(values.shape)}"
    else:
        what = type(values).__name__
    raise ModelError(
        f"model {card.name}: does not fit its card: output '{name}' is {what}, which nothing can "
        "be made of; export the model with float32 outputs"
    )


def _is_flat(card: Card, outputs: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether nothing that counts varies: of a swapper the picture, else every output."""
    values = list(outputs.values())
    if card.picture is not None:
        black, white = card.picture.range
        return bool(np.ptp(values[0]) <= _FLAT * (white - black))
    numbers = [each.astype(np.float64) for each in values]  # of truth values there is no spread
    return all(each.size > 1 and np.ptp(each) <= _FLAT * np.abs(each).max() for each in numbers)


def _made_up(wanted: Wanted) -> NDArray[np.float32]:
    rng = np.random.default_rng(20)
    if wanted.picture is not None:
        return _picture(wanted.picture, rng)
    shape = tuple(side or 1 for side in wanted.shape or (1,))
    if shape == (1, 5, 2):  # five landmarks, as a template has them
        return np.array([[[0.38, 0.47], [0.62, 0.47], [0.5, 0.6], [0.4, 0.73], [0.6, 0.73]]], "f4")
    values = rng.standard_normal(shape)
    return (values / np.linalg.norm(values)).astype(np.float32)


def _picture(spec: TensorSpec, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a soft gradient with an oval of another colour and some noise, as the card has it."""
    height, width = (side or _FREE_SIDE for side in spec.shape[2:])
    y, x = np.mgrid[0:1:1j * height, 0:1:1j * width]  # fmt: skip
    oval = ((x - 0.5) / 0.3) ** 2 + ((y - 0.5) / 0.4) ** 2 < 1
    base = np.stack([60 + 80 * x, 90 + 60 * y, 120 - 50 * x * y], axis=2)
    base[oval] += (20, 50, 90)
    picture = np.clip(base + rng.normal(0, 6, base.shape), 0, 255).astype(np.uint8)
    return to_tensor(picture, spec)


def _key(card: Card, session: Session) -> str:
    machine = this_machine()
    parts = (
        card.sha256,
        # A card that is corrected asks for another test.
        repr([(each.name, each.shape) for each in (*inputs_of(card), *outputs_of(card))]),
        session.engine,
        session.engine_version,
        session.provider,
        machine.board,
        machine.processor,
        machine.architecture,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(cache: Path) -> list[str]:
    try:
        if writable_by_others(cache):
            return []
        values = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []  # a cache that cannot be read is an empty one
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


def _write(cache: Path, keys: list[str]) -> None:
    name = None
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent, prefix=".self-tests-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(keys, out)
        os.replace(name, cache)
    except OSError:
        # A read-only cache only costs time. Nothing half-written may stay.
        if name is not None:
            Path(name).unlink(missing_ok=True)
