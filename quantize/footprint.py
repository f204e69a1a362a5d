"""Try a model file in a process of its own: whether it runs at all, and how much memory it takes.

A model file is untrusted. One that takes the engine down with it ends the child, and becomes a line
in a table. Memory is only comparable in fresh processes: an engine seldom gives back what it took.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEOUT = 600.0
"""Seconds for loading a model and running it twice; half a gigabyte takes some ten of them."""

BACKENDS = {
    ".onnx": ("ort",),
    ".ort": ("ort",),
    ".tflite": ("litert", "tflite"),
    ".mnn": ("mnn",),
    ".ncnn": ("ncnn",),
}
"""Backends that run a file, by its suffix; the first one that is installed does."""

_RUNS = 2  # the first one allocates, the second shows whether that was all
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from quantize.footprint import child; child(sys.argv[2:])"
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model file did in a process of its own.

    Attributes:
        backend: the engine that ran it: ort, litert, tflite, mnn, ncnn; empty where none could.
        engine_version: version of the engine's package.
        provider: what the engine ran it on.
        peak: most memory of the process, bytes: interpreter, engine and model.
        added: the part of it that came after the engine was imported, bytes: what loading the model
            and running it took.
        trouble: why it does not run, one line; empty when it does.
    """

    backend: str = ""
    engine_version: str = ""
    provider: str = ""
    peak: int | None = None
    added: int | None = None
    trouble: str = ""


def measure_footprint(
    path: Path,
    feeds: Mapping[str, NDArray[Any]],
    *,
    threads: int = 1,
    timeout: float = TIMEOUT,
) -> Footprint:
    """Load a model file and run it in a process of its own.

    Args:
        path: .onnx, .ort, .tflite, .mnn or .ncnn.
        feeds: float32 arrays by the name of the input, pictures (1, C, H, W); those that the model
            does not have are left out.
        threads: for one run.
        timeout: seconds after which it counts as hanging.

    Returns:
        What happened. A model that does not run is no exception but a result with `trouble`.
    """
    suffix = path.suffix.lower()
    if suffix not in BACKENDS:
        known = ", ".join(BACKENDS)
        return Footprint(trouble=f"no engine runs {suffix or 'a file without a suffix'} ({known})")
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
        inputs = Path(folder) / "feeds.npz"
        np.savez(inputs, **dict(feeds))  # type: ignore[arg-type]
        return _run_child([str(path), str(inputs), str(threads)], timeout)


def _run_child(arguments: list[str], timeout: float) -> Footprint:
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _CHILD, json.dumps(sys.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
        )
    except subprocess.TimeoutExpired:
        return Footprint(trouble=f"it hangs: no result in {timeout:g} seconds")
    if ended.returncode < 0:
        cause = signal.strsignal(-ended.returncode) or f"signal {-ended.returncode}"
        return Footprint(trouble=f"it takes the engine's process down ({cause})")
    lines = ended.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        return Footprint(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        return Footprint(trouble=f"its process ended with status {ended.returncode}")


def child(arguments: list[str]) -> None:
    """Do the work in the child, and print a `Footprint` as JSON on the last line.

    Args:
        arguments: model file, .npz file with the inputs, threads.
    """
    from dataclasses import asdict

    from edge.errors import EdgeError

    path, inputs, threads = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    try:
        result = _try(path, inputs, threads)
    except EdgeError as error:
        result = Footprint(trouble=" ".join(str(error).split()))
    except MemoryError:
        result = Footprint(trouble="there is not enough memory for it")
    sys.stdout.write("\n" + json.dumps(asdict(result)) + "\n")


def _try(path: Path, inputs: Path, threads: int) -> Footprint:
    import numpy as np

    from edge.backends import open_session
    from quantize.memory import forget_peak, peak_bytes

    with np.load(inputs, allow_pickle=False) as stored:
        feeds = {name: stored[name] for name in stored.files}
    backend = pick_backend(path)
    forget_peak()
    before = peak_bytes()
    session = open_session(path, backend=backend, threads=threads)
    for _ in range(_RUNS):
        session.run({name: feeds[name] for name in session.inputs if name in feeds})
    peak = peak_bytes()
    return Footprint(
        backend=session.engine,
        engine_version=session.engine_version,
        provider=session.provider,
        peak=peak,
        added=max(0, peak - before),
    )


def pick_backend(path: Path) -> str:
    """Return the first installed backend that runs a file, and import its engine.

    Raises:
        EngineMissing: none is installed; the message names the extra of the first.
        BackendError: nothing runs files of this kind, or not on this machine.
    """
    from edge.errors import BackendError

    names = BACKENDS.get(path.suffix.lower())
    if names is None:
        raise BackendError(f"{path.name}: no engine runs files of this kind")
    refused: list[BackendError] = []
    for name in names:
        try:
            _import_engine(name)
        except BackendError as error:
            refused.append(error)
        else:
            return name
    raise refused[0]


def _import_engine(name: str) -> None:
    from importlib import import_module

    # Every backend imports its engine through this function, and words its absence.
    import_module(f"edge.backends.{name}")._import_engine()
