"""ONNX Runtime, with a strict choice of providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backends._binding import Binding, can_bind
from edge.backends._missing import engine_missing
from edge.backends._onnx_file import check_onnx_file
from edge.backends._ort_limits import check_ort_file
from edge.backends._provider_options import device_of, ready
from edge.backends.base import CPU_PROVIDER, first_line
from edge.errors import BackendError, ModelError, ProviderError
from edge.interrupts import held_back
from edge.watch import running

_PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-directml",
)
"""Distributions that all install the module `onnxruntime`, over one another."""

_LOG_ERRORS_ONLY = 3
_FREE_SIDE = 64  # of a picture whose sides the graph leaves open
_KINDS = {"float": "float32", "double": "float64"}
"""Types of numbers that ONNX Runtime calls otherwise than numpy."""

_WHAT_ORT_RAISES = (
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoadCanceled",
    "ModelLoaded",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)


def installed_packages() -> list[str]:
    """Return the installed distributions of ONNX Runtime; more than one overwrite each other."""
    found = []
    for name in _PACKAGES:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        found.append(name)
    return found


def _import_engine() -> Any:
    try:
        with held_back():  # an interrupt in the midst of it comes out as an ImportError
            import onnxruntime
    except ImportError as error:
        raise engine_missing(
            "onnxruntime",
            "onnxruntime",
            "pip install 'edge-swap[cpu]' "
            "(on a Jetson, use the onnxruntime-gpu that comes with JetPack)",
            error,
        ) from error
    return onnxruntime


def _engine_errors() -> tuple[type[Exception], ...]:
    """Return what the engine raises: classes of its own that have no common root."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [getattr(state, name) for name in _WHAT_ORT_RAISES if hasattr(state, name)]
    return (*own, RuntimeError, ValueError)


def _available(ort: Any, wanted: Sequence[str], strict: bool) -> list[str]:
    """Return the wanted providers that this build has.

    Raises:
        ProviderError: The first is missing (strict), or none is there.
    """
    have = list(ort.get_available_providers())
    usable = [name for name in wanted if name in have]
    if not usable or (strict and usable[0] != wanted[0]):
        raise ProviderError(
            f"provider {wanted[0]} is not in this onnxruntime; available: {', '.join(have)}"
            + _clash_hint()
        )
    return usable


def _clash_hint() -> str:
    packages = installed_packages()
    if len(packages) < 2:
        return ""
    return f"; {' and '.join(packages)} are installed over each other: uninstall all, install one"


def engine_version() -> str:
    """Return the version of ONNX Runtime here.

    Raises:
        EngineMissing: It is not installed.
    """
    return str(_import_engine().__version__)


def check_provider(providers: Sequence[str]) -> None:
    """Check that the first of the providers is in this build.

    Raises:
        ProviderError: It is not.
    """
    _available(_import_engine(), tuple(providers), True)


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _LOG_ERRORS_ONLY
    # A plan of the memory for each size of picture saves no time here, and holds it for good.
    options.enable_mem_pattern = False
    # Idle threads that spin heat a small board until it throttles; waking them costs little.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _shrinking(ort: Any) -> Any:
    """Return options of a run after which the engine keeps no memory that it does not use."""
    options = ort.RunOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _free_batch(session: Any) -> bool:
    """Return whether the first axis of every input and output is open."""
    shapes = [each.shape for each in (*session.get_inputs(), *session.get_outputs())]
    return all(bool(shape) and not isinstance(shape[0], int) for shape in shapes)


@dataclass(frozen=True, slots=True, eq=False)
class OrtSession:
    """A model opened in ONNX Runtime; see `edge.backends.base.Session`.

    Attributes:
        free_batch: Whether it takes any number of samples in one run.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    engine: str
    engine_version: str
    provider: str
    free_batch: bool
    _session: Any
    _errors: tuple[type[Exception], ...]
    _shrinking: Any = None
    _binding: Binding | None = None

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once; see `edge.backends.base.Session.run`."""
        return self._run(feeds, None)

    def run_last(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model, and give back what memory it and larger runs before it left behind.

        See `edge.backends.base.last_run`.
        """
        return self._run(feeds, self._shrinking)

    def _run(self, feeds: Mapping[str, NDArray[Any]], options: Any) -> list[NDArray[Any]]:
        try:
            with running(self.path.name):
                if self._binding is not None:
                    return self._binding.run(feeds)
                return list(self._session.run(list(self.outputs), dict(feeds), options))
        except BackendError as error:
            raise BackendError(f"{self.path.name}: {error}") from error
        except self._errors as error:
            raise BackendError(
                f"{self.path.name}: onnxruntime failed on {self.provider}: {first_line(error)}"
            ) from error

    def blank(self) -> dict[str, NDArray[Any]]:
        """Return zeros for every input, where nothing better is known; open sides are small."""
        feeds = {}
        for each in self._session.get_inputs():
            open_ = _FREE_SIDE if len(each.shape) == 4 else 1
            sides = [side if isinstance(side, int) else open_ for side in each.shape]
            if sides and not isinstance(each.shape[0], int):
                sides[0] = 1
            kind = each.type.removeprefix("tensor(").removesuffix(")")
            feeds[each.name] = np.zeros(sides, _KINDS.get(kind, kind))
        return feeds


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> OrtSession:
    """Open an .onnx (or .ort) file; see `edge.backends.open_session`."""
    if path.suffix == ".tflite":
        raise ModelError(f"{path}: a .tflite file does not run in ort; use --backend litert")
    wanted = tuple(providers) or (CPU_PROVIDER,)
    ort = _import_engine()
    usable = _available(ort, wanted, strict)
    (check_ort_file if path.suffix == ".ort" else check_onnx_file)(path)
    errors = _engine_errors()
    chosen = ready(path, usable)
    try:
        session = ort.InferenceSession(str(path), _options(ort, threads), providers=chosen)
    except errors as error:
        raise ModelError(f"{path}: onnxruntime cannot load it: {first_line(error)}") from error
    running = session.get_providers()[0]
    if strict and running != wanted[0]:
        raise ProviderError(
            f"{path.name}: asked for {wanted[0]}, but onnxruntime would run it on {running}"
            + _clash_hint()
        )
    device = device_of(usable)
    return OrtSession(
        path=path,
        inputs=tuple(each.name for each in session.get_inputs()),
        outputs=tuple(each.name for each in session.get_outputs()),
        engine="ort",
        engine_version=str(ort.__version__),
        provider=running,
        free_batch=_free_batch(session),
        _session=session,
        _errors=errors,
        _shrinking=_shrinking(ort),
        _binding=Binding(ort, session, device) if device and can_bind(session) else None,
    )
