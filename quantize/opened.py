"""A converted file, opened in the engine that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge.backends import open_session
from quantize.engine import Engine, Kernels
from quantize.footprint import pick_backend
from quantize.passes._infra.feeds import Feeds, channels_first
from quantize.quality import Runs, open_engine

__all__ = ["Interpreted", "open_file", "runs_with"]


class Interpreted:
    """A file that another engine than ONNX Runtime runs: .tflite, .mnn, .ncnn.

    Attributes:
        engine: name of the backend that runs it: the first one for such files that is installed.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Open the file.

        Raises:
            EngineMissing: no engine for it is installed.
            ModelError: it cannot be loaded.
        """
        self._turned = path.suffix == ".tflite"
        self._session = open_session(path, backend=pick_backend(path), threads=threads)
        self.engine = self._session.engine

    def run(self, feeds: Feeds) -> Mapping[str, NDArray[Any]]:
        """Run the model once; pictures come out as (1, C, H, W), and go in as either order.

        Raises:
            BackendError: the engine failed.
        """
        given = {name: feeds[name] for name in self._session.inputs}
        if self._turned:
            given = channels_first(given)
        return dict(zip(self._session.outputs, self._session.run(given), strict=True))


def open_file(path: Path, *, kernels: Kernels = "default", threads: int = 1) -> Runs:
    """Open an .onnx, .ort, .tflite, .mnn or .ncnn file.

    Args:
        path: the file.
        kernels: with which an ONNX Runtime model runs, as near as it can be had.
        threads: for one run.

    Raises:
        EngineError: ONNX Runtime cannot load it.
        ModelError: another engine cannot load it.
        EngineMissing: the engine is not installed.
    """
    if path.suffix in (".tflite", ".mnn", ".ncnn"):
        return Interpreted(path, threads=threads)
    return open_engine(path, kernels=kernels, threads=threads)


def runs_with(opened: Runs) -> str:
    """Return with which kernels or engine an open file runs, for people and reports."""
    if isinstance(opened, Engine):
        return opened.kernels
    return opened.engine if isinstance(opened, Interpreted) else ""
