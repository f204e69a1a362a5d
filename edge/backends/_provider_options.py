"""What an execution provider is opened with: its profile's options, made ready for one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.backends._onnx_outline import outline_of
from edge.errors import BackendError
from edge.providers import Provider

__all__ = ["ENGINES", "builds_engines", "device_of", "has_static_shapes", "ready"]

ENGINES = "{engines}"
"""Stands in an option for the folder of the engines that are built of this very model here."""

HALF, INT8 = "{half}", "{int8}"
"""Stand in an option for 1 where a model holds half-precision weights, or Q and DQ; else for 0."""


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
    3. `{half}` and `{int8}` become 1 or 0, by what the model holds: a builder that may choose half
       precision would choose it for norms too.
    4. `{engines}` becomes the folder of this model's engines, which is made, its owner's alone.

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
        options = _by_precision(path, options)
        if builds_engines([provider]):
            folder = _engines(path)
            options = {key: value.replace(ENGINES, folder) for key, value in options.items()}
        made.append((str(provider), options) if options else str(provider))
    return made


def _by_precision(path: Path, options: Mapping[str, str]) -> dict[str, str]:
    if not any(sign in value for value in options.values() for sign in (HALF, INT8)):
        return dict(options)
    outline = outline_of(path)
    half = "1" if outline.kinds.get("float16") else "0"
    int8 = "1" if "QuantizeLinear" in outline.operators else "0"
    return {key: value.replace(HALF, half).replace(INT8, int8) for key, value in options.items()}


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
