"""What LiteRT and its predecessor tflite-runtime have in common: the Interpreter.

A .tflite file keeps pictures as NHWC more often than not; the rest of edge-swap speaks NCHW. The
axes are moved here, where a tensor's own shape says that it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backends._tflite_limits import IDENTIFIER, check_tflite_file
from edge.backends.base import CPU_PROVIDER, check_feeds, first_line
from edge.errors import BackendError, ModelError, ProviderError
from edge.media.quiet import captured_stderr
from edge.watch import running

_PICTURE_CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One input or output: its name in the contract, its index, and whether it is NHWC."""

    name: str
    index: int
    shape: tuple[int, ...]
    dynamic: bool
    channels_last: bool


def _plain(name: str) -> str:
    """Return a tensor's name without what exporters wrap around it."""
    return name.removeprefix("serving_default_").split(":")[0]


def is_picture_last(shape: Sequence[int]) -> bool:
    """Return whether a shape is a picture's with its channels last; others are taken as NCHW."""
    return len(shape) == 4 and shape[3] in _PICTURE_CHANNELS and shape[1] not in _PICTURE_CHANNELS


def _tensor(name: str, detail: Mapping[str, Any]) -> _Tensor:
    shape = tuple(int(side) for side in detail["shape"])
    signature = detail.get("shape_signature", detail["shape"])
    if detail["dtype"] is not np.float32:
        raise ModelError(
            f"input or output '{name}' is {np.dtype(detail['dtype']).name}; "
            "a model needs float32 inputs and outputs here"
        )
    return _Tensor(
        name,
        int(detail["index"]),
        shape,
        bool(min(signature, default=1) < 0),
        is_picture_last(shape),
    )


def _by_signature(interpreter: Any) -> tuple[list[_Tensor], list[_Tensor]] | None:
    """Return inputs and outputs by the names of the model's only signature, if it has one."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return None
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    inputs = runner.get_input_details()
    outputs = runner.get_output_details()
    return (
        [_tensor(name, detail) for name, detail in inputs.items()],
        [_tensor(name, detail) for name, detail in outputs.items()],
    )


def _by_tensor(interpreter: Any) -> tuple[list[_Tensor], list[_Tensor]]:
    return (
        [_tensor(_plain(d["name"]), d) for d in interpreter.get_input_details()],
        [_tensor(_plain(d["name"]), d) for d in interpreter.get_output_details()],
    )


@dataclass(frozen=True, slots=True, eq=False)
class InterpreterSession:
    """A .tflite model opened in an interpreter; see `edge.backends.base.Session`."""

    path: Path
    engine: str
    engine_version: str
    provider: str
    _interpreter: Any
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
            with running(self.path.name):
                self._feed(feeds)
                self._interpreter.invoke()
            return [self._fetch(tensor) for tensor in self._outputs]
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"{self.path.name}: {self.engine} failed: {first_line(error)}"
            ) from error

    def blank(self) -> dict[str, NDArray[Any]]:
        """Return zeros for every input, where nothing better is known."""
        feeds = {}
        for each in self._inputs:
            zeros = np.zeros(each.shape, np.float32)
            feeds[each.name] = zeros.transpose(0, 3, 1, 2) if each.channels_last else zeros
        return feeds

    def _feed(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        arrays = []
        resized = False
        for tensor in self._inputs:
            array = np.asarray(feeds[tensor.name], np.float32)
            if tensor.channels_last:
                array = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
            now = tuple(self._interpreter.get_input_details()[self._place(tensor)]["shape"])
            if tensor.dynamic and array.shape != now:
                self._interpreter.resize_tensor_input(tensor.index, list(array.shape))
                resized = True
            arrays.append(array)
        if resized:
            self._interpreter.allocate_tensors()
        for tensor, array in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(tensor.index, array)

    def _place(self, tensor: _Tensor) -> int:
        indices = [int(d["index"]) for d in self._interpreter.get_input_details()]
        return indices.index(tensor.index)

    def _fetch(self, tensor: _Tensor) -> NDArray[Any]:
        array: NDArray[Any] = self._interpreter.get_tensor(tensor.index)
        return array.transpose(0, 3, 1, 2) if tensor.channels_last else array


def check_providers(engine: str, providers: Sequence[str], strict: bool) -> None:
    """Refuse providers that an interpreter does not have: it runs on the CPU only.

    Raises:
        ProviderError: Another provider was asked for first.
    """
    if strict and providers and providers[0] != CPU_PROVIDER:
        raise ProviderError(
            f"provider {providers[0]} is not in {engine}; available: {CPU_PROVIDER}"
        )


def open_interpreter(
    path: Path, interpreter: Any, *, engine: str, engine_version: str, threads: int
) -> InterpreterSession:
    """Open a .tflite file.

    Args:
        path: The file.
        interpreter: The engine's Interpreter class.
        engine: Name of the backend.
        engine_version: Version of its package.
        threads: Threads for one run; 0 leaves it to the engine.

    Returns:
        The session.

    Raises:
        ModelError: Not a .tflite model, or one that the engine cannot run.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if head[4:] != IDENTIFIER:
        raise ModelError(
            f"{path}: not a .tflite model; {engine} runs no other kind: use --backend ort, or the "
            "card of a .tflite file"
        )
    check_tflite_file(path)
    try:
        data = path.read_bytes()
        with captured_stderr():  # where it announces its delegate, each time
            opened = interpreter(model_content=data, num_threads=threads or None)
            opened.allocate_tensors()
        inputs, outputs = _by_signature(opened) or _by_tensor(opened)
    except (RuntimeError, ValueError, SystemError) as error:
        raise ModelError(f"{path}: {engine} cannot load it: {first_line(error)}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return InterpreterSession(
        path=path,
        engine=engine,
        engine_version=engine_version,
        provider=CPU_PROVIDER,
        _interpreter=opened,
        _inputs=tuple(inputs),
        _outputs=tuple(outputs),
    )
