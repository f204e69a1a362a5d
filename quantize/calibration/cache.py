"""Ranges on disk: one file per model and samples, shared by all targets and recipes.

A file that is damaged, half written or of another version is none at all: ranges can always be
measured again. A folder that cannot be written to only costs time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

__all__ = ["cache_key", "read_arrays", "write_arrays"]

VERSION = 1
"""Of the format and of what is measured; another one makes old files worthless."""

KEPT = 64
"""Files in the folder; the ones that were not used for the longest time are removed."""

_KEY = re.compile("[0-9a-f]{64}")
_MOST_BYTES = 512_000_000  # a larger file is none of ours

Arrays = Mapping[str, NDArray[np.generic]]


def cache_key(model: onnx.ModelProto, samples: str) -> str:
    """Return the name under which ranges are kept: it changes with anything that decides them.

    Args:
        model: Hashed node by node and weight by weight: a copy of all of it may not fit.
        samples: Digest of the samples.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256(f"ranges {VERSION} {samples}".encode())
    graph = model.graph
    parts = [*model.opset_import, *graph.input, *graph.output, *graph.node, *graph.initializer]
    for part in parts:
        data = part.SerializeToString(deterministic=True)
        digest.update(f"{type(part).__name__} {len(data)};".encode())
        digest.update(data)
    return digest.hexdigest()


def read_arrays(folder: Path, key: str) -> dict[str, NDArray[np.generic]] | None:
    """Return what is kept under a key, or None where there is nothing that can be used."""
    path = folder / f"{key}.npz"
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        if json.loads(str(arrays.pop("header"))) != _header(key):
            return None
        os.utime(path)
    # All that numpy and zipfile raise for a file that is cut off or has other bytes.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError):
        return None
    except (NotImplementedError, RuntimeError, AttributeError):  # odd flags in a damaged header
        return None
    return arrays


def write_arrays(folder: Path, key: str, arrays: Arrays) -> bool:
    """Keep arrays under a key: the whole file or none.

    Returns:
        Whether they are kept now; False where the folder cannot be written to.
    """
    name = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".ranges-", suffix=".part")
        with os.fdopen(handle, "wb") as out:
            kept: dict[str, Any] = {"header": np.array(json.dumps(_header(key))), **arrays}
            np.savez_compressed(out, **kept)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, folder / f"{key}.npz")
    except OSError:
        return False
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)  # gone already when it has got its own name
    _forget_old(folder)
    return True


def _header(key: str) -> dict[str, object]:
    return {"format": "edge-swap ranges", "version": VERSION, "key": key}


def _forget_old(folder: Path) -> None:
    # Another process may remove the same files at the same time.
    with contextlib.suppress(OSError):
        # The folder may hold other files of its owner: what is not named by a key is not ours.
        ours = [file for file in folder.glob("*.npz") if _KEY.fullmatch(file.stem)]
        files = sorted(ours, key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT:]:
            file.unlink(missing_ok=True)
