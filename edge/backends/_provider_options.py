"""What an execution provider is opened with: its profile's options, made ready for one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.backends._onnx_outline import outline_of
from edge.errors import BackendError
from edge.providers import Provider

__all__ = ["ENGINES", "builds_engines", "device_of", "has_static_shapes", "ready"]

ENGINES = "{engines}"
"""Stands in an option for the folder of the engines that are built of this very model here."""


def has_static_shapes(path: Path) -> bool:
    """Return whether every input of a model file has fixed sizes."""
    if path.suffix != ".onnx":
        return False
    inputs = outline_of(path).inputs
    return all(port.shape is not None and min(port.shape, default=1) > 0 for port in inputs)


def ready(path: Path, providers: Sequence[str]) -> list[Any]:
    """Return providers as ONNX Runtime wants them: names, or names with options.

    1. Options of a provider that its profile states are passed on.
    2. Those for fixed sizes alone (CUDA graphs) are left out where the model has open ones.
    3. `{engines}` becomes the folder of this model's engines, which is made, its owner's alone.

    Args:
        path: the model file.
        providers: names; a `Provider` brings options.

    Raises:
        BackendError: engines are asked for, and TensorRT or the GPU cannot be asked what they are;
            or their folder is somebody else's.
    """
    made: list[Any] = []
    for provider in providers:
        options = dict(getattr(provider, "options", {}))
        fixed = dict(getattr(provider, "static_options", {}))
        if fixed and has_static_shapes(path):
            options.update(fixed)
        if builds_engines([provider]):
            folder = _engines(path)
            options = {key: value.replace(ENGINES, folder) for key, value in options.items()}
        made.append((str(provider), options) if options else str(provider))
    return made


def _engines(path: Path) -> str:
    from edge.engines import engine_folder

    folder = str(engine_folder(path))
    if any(sign in folder for sign in "{};"):
        raise BackendError(f"{folder}: a cache folder's name must not hold braces: set EDGE_HOME")
    return folder


def builds_engines(providers: Sequence[str]) -> bool:
    """Return whether one of the providers keeps engines in a folder of the model's own."""
    values = [v for one in providers for v in getattr(one, "options", {}).values()]
    return any(ENGINES in value for value in values)


def device_of(providers: Sequence[str]) -> str:
    """Return where the first provider wants inputs and outputs to stay; empty: in main memory."""
    first = providers[0] if providers else ""
    return first.device if isinstance(first, Provider) else ""
