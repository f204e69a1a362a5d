"""OpenVINO, for .onnx models on x86 processors: quick where there are many small layers.

Its package brings another one that can report usage over the network. That one is kept from being
loaded: OpenVINO has a stand-in of its own for where it is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge.backends._interpreter import check_providers
from edge.backends._missing import engine_missing
from edge.backends._onnx_file import check_onnx_file
from edge.backends._onnx_outline import Port, outline_of
from edge.backends.base import CPU_PROVIDER, check_feeds, first_line
from edge.errors import BackendError, ModelError
from edge.watch import running

_REPORTER = "openvino_telemetry"


def _import_engine() -> tuple[Any, str]:
    try:
        with _missing(_REPORTER):
            import openvino
        return openvino, version("openvino")
    except (ImportError, PackageNotFoundError) as error:
        raise engine_missing(
            "OpenVINO", "openvino", "pip install 'edge-swap[openvino]'", error
        ) from error


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Make a module as good as not installed while the block runs, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast(ModuleType, None)  # Python's own mark of what cannot be imported
    try:
        yield
    finally:
        del sys.modules[name]


@dataclass(frozen=True, slots=True, eq=False)
class OpenvinoSession:
    """A model compiled by OpenVINO; see `edge.backends.base.Session`."""

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    engine: str
    engine_version: str
    provider: str
    _request: Any

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once; see `edge.backends.base.Session.run`."""
        check_feeds(self.path.name, self.inputs, feeds)
        try:
            with running(self.path.name):
                # By place: what the engine calls them may be another name.
                self._request.infer({at: feeds[name] for at, name in enumerate(self.inputs)})
            return [
                np.array(self._request.get_output_tensor(place).data)
                for place in range(len(self.outputs))
            ]
        except (RuntimeError, ValueError, TypeError) as error:
            raise BackendError(f"{self.path.name}: openvino failed: {first_line(error)}") from error


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
    check_providers("openvino", providers, True)


def open_session(
    path: Path, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0, strict: bool = True
) -> OpenvinoSession:
    """Open an .onnx file; see `edge.backends.open_session`."""
    check_providers("openvino", providers, strict)
    if path.suffix != ".onnx":
        raise ModelError(f"{path}: not an .onnx model; openvino runs no other kind here")
    openvino, release = _import_engine()
    check_onnx_file(path)
    outline = outline_of(path)
    # It would take bfloat16 where the processor has it: precision is the file's business.
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        core = openvino.Core()
        model = core.compile_model(core.read_model(str(path)), "CPU", settings)
        request = model.create_infer_request()
    except RuntimeError as error:
        raise ModelError(f"{path}: openvino cannot load it: {first_line(error)}") from error
    return OpenvinoSession(
        path=path,
        inputs=_names(model.inputs, outline.inputs),
        outputs=_names(model.outputs, outline.outputs),
        engine="openvino",
        engine_version=release,
        provider=CPU_PROVIDER,
        _request=request,
    )


def _names(ports: Sequence[Any], declared: Sequence[Port]) -> tuple[str, ...]:
    """Return what the file calls inputs or outputs, in the engine's order.

    The engine drops operators that change nothing (Identity, Dropout). What was before and behind
    them is one tensor with both names then, or with the inner one alone: that one stands in the
    place that it has in the file.

    Args:
        ports: The engine's.
        declared: The file's.
    """
    left = [port.name for port in declared]
    found: list[str] = []
    for port in ports:
        name = next((each for each in left if each in port.get_names()), "")
        if name:
            left.remove(name)
        found.append(name)
    if len(ports) != len(declared):
        left = []
    rest = iter(left)
    return tuple(
        name or next(rest, port.get_any_name()) for name, port in zip(found, ports, strict=True)
    )
