"""MNN, for .mnn models: the quickest exact engine for wide convolutions on many processors.

It computes 3x3 convolutions by Winograd's method, with a third of the multiplications. Only its
engine is imported: the command line that comes with it sends usage over the network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backends._interpreter import check_providers
from edge.backends._missing import engine_missing
from edge.backends._mnn_limits import check_mnn_file
from edge.backends.base import CPU_PROVIDER, check_feeds, first_line
from edge.errors import BackendError, ModelError
from edge.media.quiet import captured_stdout
from edge.watch import running

_MOST_THREADS = 4
"""Threads where the engine is to choose: it has no choice of its own, and more gain little."""

_WELL = 0
"""What `runSession` returns where all is well."""


def _import_engine() -> tuple[Any, str]:
    try:
        with captured_stdout():  # where it lists the processor's features
            import MNN
        return MNN, version("MNN")
    except (ImportError, PackageNotFoundError) as error:
        raise engine_missing("MNN", "MNN", "pip install 'edge-swap[mnn]'", error) from error


@dataclass(frozen=True, slots=True)
class _Tensor:
    """An input or output: its name, its shape, and the engine's own handle."""

    name: str
    shape: tuple[int, ...]
    handle: Any


@dataclass(frozen=True, slots=True, eq=False)
class MnnSession:
    """A model opened in MNN; see `edge.backends.base.Session`."""

    path: Path
    engine: str
    engine_version: str
    provider: str
    _mnn: Any
    _interpreter: Any
    _session: Any
    _inputs: tuple[_Tensor, ...]
    _outputs: tuple[_Tensor, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(tensor.name for tensor in self._inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(tensor.name for tensor in self._outputs)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once; see `edge.backends.base.Session.run`."""
        check_feeds(self.path.name, self.inputs, feeds)
        try:
            held = [self._feed(tensor, feeds[tensor.name]) for tensor in self._inputs]
            with running(self.path.name):
                status = self._interpreter.runSession(self._session)
            del held  # the engine reads the arrays until here
            if status != _WELL:
                raise RuntimeError(f"status {status}")
            return [self._fetch(tensor) for tensor in self._outputs]
        except Exception as error:
            # It raises bare exceptions and nothing else.
            raise BackendError(f"{self.path.name}: mnn failed: {first_line(error)}") from error

    def blank(self) -> dict[str, NDArray[Any]]:
        """Return zeros for every input, where nothing better is known."""
        return {each.name: np.zeros(each.shape, np.float32) for each in self._inputs}

    def _feed(self, tensor: _Tensor, array: NDArray[Any]) -> Any:
        given = np.ascontiguousarray(array, np.float32)
        if given.shape != tensor.shape:
            raise ValueError(f"input {tensor.name} has shape {tensor.shape}, not {given.shape}")
        caffe = self._mnn.Tensor_DimensionType_Caffe  # NCHW
        own = self._mnn.Tensor(given.shape, self._mnn.Halide_Type_Float, given, caffe)
        tensor.handle.copyFrom(own)
        return given, own

    def _fetch(self, tensor: _Tensor) -> NDArray[Any]:
        given = np.empty(tensor.shape, np.float32)
        caffe = self._mnn.Tensor_DimensionType_Caffe
        own = self._mnn.Tensor(tensor.shape, self._mnn.Halide_Type_Float, given, caffe)
        tensor.handle.copyToHostTensor(own)
        return np.array(own.getNumpyData(), np.float32).reshape(tensor.shape)


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
    check_providers("mnn", providers, True)


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> MnnSession:
    """Open an .mnn file; see `edge.backends.open_session`."""
    check_providers("mnn", providers, strict)
    if path.suffix != ".mnn":
        raise ModelError(
            f"{path}: not an .mnn model; mnn runs no other kind: convert it with "
            "edge quantize --format mnn"
        )
    mnn, release = _import_engine()
    check_mnn_file(path)
    settings = {
        "backend": "CPU",
        "numThread": threads or min(_MOST_THREADS, os.cpu_count() or 1),
        "precision": "high",  # float32: lower ones are the file's business
    }
    with captured_stdout() as printed:
        try:
            interpreter = mnn.Interpreter(str(path))
            session = interpreter.createSession(settings)
            inputs = _tensors(interpreter.getSessionInputAll(session))
            outputs = _tensors(interpreter.getSessionOutputAll(session))
        except Exception as error:
            # It raises bare exceptions, and prints the reason.
            said = printed().strip().splitlines()
            reason = said[-1] if said else first_line(error)
            raise ModelError(f"{path}: mnn cannot load it: {reason}") from error
    return MnnSession(
        path=path,
        engine="mnn",
        engine_version=release,
        provider=CPU_PROVIDER,
        _mnn=mnn,
        _interpreter=interpreter,
        _session=session,
        _inputs=inputs,
        _outputs=outputs,
    )


def _tensors(found: Mapping[str, Any]) -> tuple[_Tensor, ...]:
    return tuple(
        _Tensor(name, tuple(int(side) for side in handle.getShape()), handle)
        for name, handle in found.items()
    )
