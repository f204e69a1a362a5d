"""ncnn, for .ncnn models: small, quick on ARM, exact in float32.

A model of ncnn is two files and knows no names. Ours is one file: a ZIP archive without
compression that holds both (`model.param`, `model.bin`), and `names.json` with the names and
shapes of inputs and outputs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backends._interpreter import check_providers
from edge.backends._missing import engine_missing
from edge.backends._model_limits import Counts
from edge.backends._ncnn_limits import check_layers
from edge.backends._onnx_limits import Refused, mib, quoted
from edge.backends.base import CPU_PROVIDER, check_feeds, first_line
from edge.errors import BackendError, ModelError
from edge.limits import ModelLimits, device_limits
from edge.media.quiet import captured_stderr
from edge.watch import running

PARAM, BINARY, NAMES = "model.param", "model.bin", "names.json"
"""What is in the archive."""

_MOST_TEXT = 4_000_000  # bytes of names or of the layers' table
_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError),
    *(OverflowError, RecursionError, NotImplementedError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged archive, its text and its names can raise."""

_MOST_THREADS = 4
"""Threads where the engine is to choose: it would take all cores, and more gain little."""


@dataclass(frozen=True, slots=True)
class _Port:
    """An input or output: its name in the contract and in ncnn, and its shape with the batch."""

    name: str
    blob: str
    shape: tuple[int, ...]


def _import_engine() -> tuple[Any, str]:
    try:
        import ncnn

        return ncnn, version("ncnn")
    except (ImportError, PackageNotFoundError) as error:
        raise engine_missing("ncnn", "ncnn", "pip install 'edge-swap[ncnn]'", error) from error


@dataclass(frozen=True, slots=True, eq=False)
class NcnnSession:
    """A model opened in ncnn; see `edge.backends.base.Session`."""

    path: Path
    engine: str
    engine_version: str
    provider: str
    _ncnn: Any
    _net: Any
    _inputs: tuple[_Port, ...]
    _outputs: tuple[_Port, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(port.name for port in self._inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(port.name for port in self._outputs)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once; see `edge.backends.base.Session.run`."""
        check_feeds(self.path.name, self.inputs, feeds)
        run = self._net.create_extractor()
        for port in self._inputs:
            array = np.ascontiguousarray(feeds[port.name], np.float32)
            if array.shape != port.shape:
                raise BackendError(
                    f"{self.path.name}: input {port.name} has shape {port.shape}, not {array.shape}"
                )
            # A copy of the engine's own: it writes over its inputs, and reads past their end.
            if run.input(port.blob, self._ncnn.Mat(array[0]).clone()) != 0:
                raise BackendError(f"{self.path.name}: ncnn takes no input {port.name}")
        with running(self.path.name):
            return [self._fetch(run, port) for port in self._outputs]

    def blank(self) -> dict[str, NDArray[Any]]:
        """Return zeros for every input, where nothing better is known."""
        return {each.name: np.zeros(each.shape, np.float32) for each in self._inputs}

    def _fetch(self, run: Any, port: _Port) -> NDArray[Any]:
        status, mat = run.extract(port.blob)
        if status != 0:
            raise BackendError(
                f"{self.path.name}: ncnn failed: no output {port.name} (status {status})"
            )
        values = np.array(mat, np.float32)
        if values.size != math.prod(port.shape):
            raise BackendError(
                f"{self.path.name}: ncnn failed: output {port.name} has {values.size} values, "
                f"which its shape {port.shape} does not hold"
            )
        return values.reshape(port.shape)


def engine_version() -> str:
    """Return the version of the engine here.

    Raises:
        EngineMissing: It is not installed.
    """
    return _import_engine()[1]


def check_provider(providers: Sequence[str]) -> None:
    """Check that the first of the providers is one that the engine has.

    Raises:
        ProviderError: It is not.
    """
    check_providers("ncnn", providers, True)


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> NcnnSession:
    """Open a .ncnn file; see `edge.backends.open_session`."""
    check_providers("ncnn", providers, strict)
    if path.suffix != ".ncnn":
        raise ModelError(
            f"{path}: not a .ncnn model; ncnn runs no other kind: convert it with "
            "edge quantize --format ncnn"
        )
    ncnn, release = _import_engine()
    net = ncnn.Net()
    net.opt.num_threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    net.opt.use_vulkan_compute = False
    # Half precision is the file's business: without these it is float32 that is computed.
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    inputs, outputs = _load(net, path)
    return NcnnSession(path, "ncnn", release, CPU_PROVIDER, ncnn, net, inputs, outputs)


def _load(net: Any, path: Path) -> tuple[tuple[_Port, ...], tuple[_Port, ...]]:
    """Load both files of the archive; return inputs and outputs.

    Raises:
        ModelError: It is no such archive, ncnn does not take what is in it, or it asks for more
            than this device allows.
    """
    limits = device_limits().model
    try:
        with zipfile.ZipFile(path) as archive:
            ports = json.loads(_text(archive, NAMES))
            inputs, outputs = _ports(ports["inputs"]), _ports(ports["outputs"])
            param = _text(archive, PARAM)
            _check(archive, param, (*inputs, *outputs), limits)
            with _unpacked(archive) as weights, captured_stderr() as said:
                if net.load_param_mem(param) != 0 or net.load_model(weights) != 0:
                    lines = said().strip().splitlines()
                    raise ValueError(lines[-1] if lines else "its layers or weights are damaged")
    except Refused as error:
        raise ModelError(f"{path}: refused: {error}") from error
    except _DAMAGED as error:
        raise ModelError(f"{path}: ncnn cannot load it: {first_line(error)}") from error
    blobs = {*net.input_names(), *net.output_names()}
    missing = [port.name for port in (*inputs, *outputs) if port.blob not in blobs]
    if missing:
        raise ModelError(f"{path}: ncnn cannot load it: it has no '{missing[0]}'")
    return inputs, outputs


@contextmanager
def _unpacked(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the path of the weights: in memory, where the system can, as a child may write none."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory() as folder:
            yield archive.extract(BINARY, folder)
        return
    with (
        archive.open(BINARY) as stored,
        os.fdopen(os.memfd_create(BINARY), "wb") as file,
    ):
        shutil.copyfileobj(stored, file, 1 << 20)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _check(
    archive: zipfile.ZipFile, param: str, ports: Sequence[_Port], limits: ModelLimits
) -> None:
    """Hold what an archive asks for against this device's limits.

    Raises:
        Refused: It asks for too much.
        ValueError: It is damaged.
    """
    binary = archive.getinfo(BINARY)
    if binary.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{BINARY} is compressed")
    if binary.file_size > limits.max_bytes:
        raise Refused(f"it has {mib(binary.file_size)}: at most {mib(limits.max_bytes)}")
    counts = Counts(limits)
    for port in ports:
        if not port.shape or min(port.shape) < 1:
            raise Refused(f"its input or output {quoted(port.name.encode())} has no size")
        counts.size(port.shape, 4, f"its input or output {quoted(port.name.encode())}")
    check_layers(param, binary.file_size, counts)


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > _MOST_TEXT:
        raise ValueError(f"{name} is too large")
    return archive.read(name).decode("utf-8")


def _ports(found: Sequence[Mapping[str, Any]]) -> tuple[_Port, ...]:
    return tuple(
        _Port(str(each["name"]), str(each["blob"]), tuple(int(side) for side in each["shape"]))
        for each in found
    )
