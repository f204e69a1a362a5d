"""Where the engines lie that TensorRT builds of a model, and what they were built for.

Building one takes minutes on a board, so it is kept; and it runs as code, so it is never taken from
elsewhere: the folder is in the user's cache, its owner's alone, and what is in it was made here. An
engine belongs to one model, one version of TensorRT and one kind of GPU: these name its folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge import resources
from edge.errors import BackendError

__all__ = ["Builder", "engine_folder", "engines_dir", "this_builder"]

_LIBRARIES = ("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8", "libnvinfer.so")
_DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_NOTE = "made-for.json"


@dataclass(frozen=True, slots=True)
class Builder:
    """What builds engines on this machine.

    Attributes:
        tensorrt: version of TensorRT: 10.3.0.
        gpu: name of the GPU.
        capability: its compute capability: 8.7.
        driver: version of CUDA that the driver supports: 12.6.
    """

    tensorrt: str
    gpu: str
    capability: str
    driver: str


def engines_dir() -> Path:
    """Return the folder of all engines. It may not exist yet."""
    return resources.cache_dir() / "engines"


def _load(name: str) -> Any:
    return ctypes.CDLL(name)


def _tensorrt() -> str:
    for name in _LIBRARIES:
        try:
            number = int(_load(name).getInferLibVersion())
        except (OSError, AttributeError):
            continue
        # 10300 is 10.3.0 since version 10, and was 8601 for 8.6.1 before.
        base = 10_000 if number >= 100_000 else 1000
        return f"{number // base}.{number % base // 100}.{number % 100}"
    raise BackendError(
        "TensorRT is not here (no libnvinfer): install JetPack's tensorrt, or take another provider"
    )


def _gpu() -> tuple[str, str, str]:
    try:
        cuda = _load(_DRIVER)
    except OSError as error:
        raise BackendError(f"there is no NVIDIA driver here ({_DRIVER}): {error}") from error
    device, number = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    steps = [cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0)]
    steps.append(cuda.cuDeviceGetName(name, 256, device))
    found = []
    for wanted in (_MAJOR, _MINOR):
        steps.append(cuda.cuDeviceGetAttribute(ctypes.byref(number), wanted, device))
        found.append(number.value)
    steps.append(cuda.cuDriverGetVersion(ctypes.byref(number)))
    if any(steps):
        raise BackendError("the NVIDIA driver finds no GPU here: may you read /dev/nvidia*?")
    driver = f"{number.value // 1000}.{number.value % 1000 // 10}"
    return name.value.decode(errors="replace"), f"{found[0]}.{found[1]}", driver


def this_builder() -> Builder:
    """Return what would build an engine on this machine.

    Raises:
        BackendError: TensorRT or a GPU is not here.
    """
    return Builder(_tensorrt(), *_gpu())


def engine_folder(model: Path) -> Path:
    """Return the folder of a model's engines for this machine; it is made, its owner's alone.

    Args:
        model: the model file; its SHA-256 is part of the name.

    Raises:
        BackendError: TensorRT or a GPU is not here, or the folder could be written to by others.
    """
    from edge.registry import sha256_of

    builder = this_builder()
    facts = {"model": sha256_of(model), **asdict(builder)}
    text = json.dumps(facts, sort_keys=True)
    folder = engines_dir() / hashlib.sha256(text.encode()).hexdigest()[:32]
    _make_private(engines_dir())
    _make_private(folder)
    note = folder / _NOTE
    if not note.exists():
        note.write_text(text + "\n", encoding="utf-8")
    return folder


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise BackendError(f"{folder}: no room for engines: {error.strerror}") from error
    owned = state.st_uid == os.geteuid() and stat.S_ISDIR(state.st_mode)
    if not owned or state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BackendError(
            f"{folder}: engines run as code, and this folder is not yours alone: remove it, "
            f"or chmod 700 '{folder}'"
        )
