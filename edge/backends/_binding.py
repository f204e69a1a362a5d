"""Inputs and outputs that stay where the model runs, at the same addresses in every run.

Without it each run allocates them anew and copies them twice; CUDA graphs, which replay a recorded
run, need it. It is for models whose sizes are all fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BackendError

__all__ = ["Binding", "can_bind"]

_KINDS: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def can_bind(session: Any) -> bool:
    """Return whether all sizes of an ONNX Runtime session's inputs and outputs are fixed."""
    ports = [*session.get_inputs(), *session.get_outputs()]
    return all(
        port.type in _KINDS and all(isinstance(side, int) and side > 0 for side in port.shape)
        for port in ports
    )


class Binding:
    """A session of ONNX Runtime with inputs and outputs of its own."""

    def __init__(self, ort: Any, session: Any, device: str) -> None:
        """Reserve them.

        Args:
            ort: the engine's module.
            session: of a model whose sizes are all fixed; see `can_bind`.
            device: "cuda" or "cpu".
        """
        self._session = session
        self._binding = session.io_binding()
        self._inputs = self._reserve(ort, session.get_inputs(), device)
        self._outputs = self._reserve(ort, session.get_outputs(), device)
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def _reserve(self, ort: Any, ports: Sequence[Any], device: str) -> dict[str, Any]:
        make = ort.OrtValue.ortvalue_from_shape_and_type
        return {port.name: make(port.shape, _KINDS[port.type], device, 0) for port in ports}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once.

        Args:
            feeds: one array per input, of its very shape and type.

        Returns:
            One array per output, the caller's own.

        Raises:
            BackendError: an input is missing, or of another shape or type.
        """
        for name, value in self._inputs.items():
            given = feeds.get(name)
            shape, kind = tuple(value.shape()), value.data_type()
            if given is None or given.shape != shape or _KINDS[kind] != given.dtype:
                what = "nothing" if given is None else f"{given.dtype} {list(given.shape)}"
                raise BackendError(
                    f"input '{name}' takes {kind[7:-1]} {list(shape)}, and was given {what}"
                )
            value.update_inplace(np.ascontiguousarray(given))
        self._session.run_with_iobinding(self._binding)
        # Copied: the next run writes to the same place.
        return [np.array(value.numpy()) for value in self._outputs.values()]
