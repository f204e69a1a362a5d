"""ONNX Runtime, as the toolchain measures with it: a model in memory, and a choice of kernels.

The same quantized file gives other pictures with other kernels: on x86 without VNNI the quick
ones saturate (36 dB where the file itself holds 47). So whoever measures says which are meant.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

import edge  # noqa: F401  (switches the engine's telemetry off before it can load)
from edge.backends._assignment import NodeRun, node_runs
from edge.errors import EngineMissing
from quantize.errors import EngineError, KernelsUnavailable
from quantize.passes._infra.engine import LARGEST_IN_MEMORY
from quantize.passes._infra.feeds import Feeds
from quantize.passes._infra.shapes import model_bytes

__all__ = ["Engine", "Feeds", "Kernels", "Memory"]

Kernels = Literal["default", "precise", "reference"]
"""With which kernels a model is run.

* default: those that this machine would use, after all of the engine's own rewriting.
* precise: the same with `session.x64quantprecision`: no saturation, and for signed activations
  what an ARM processor computes.
* reference: the graph as it is written, one node after the other; of a quantized model that is
  fake quantization in float32.
"""

Memory = Literal["kept", "returned"]
"""What becomes of the memory that a run worked in.

* kept: it stays with the engine for the next run, which is quickest.
* returned: it goes back after each run, for many engines side by side.
"""

_CPU = "CPUExecutionProvider"
_LOG_ERRORS_ONLY = 3
_MOST_TEXT = 300  # characters of an engine's message that are shown


def _import_engine() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMissing(
            "the toolchain runs models in ONNX Runtime, which is not installed: "
            "pip install 'edge-swap[cpu,quantize]'"
        ) from error
    return onnxruntime


def _options(ort: Any, kernels: Kernels, threads: int, memory: Memory) -> Any:
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = memory == "kept"
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _LOG_ERRORS_ONLY
    # Threads of several engines that spin side by side would spoil each other's timings.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    levels = ort.GraphOptimizationLevel
    if kernels == "reference":
        options.graph_optimization_level = levels.ORT_DISABLE_ALL
    else:
        options.graph_optimization_level = levels.ORT_ENABLE_ALL
    if kernels == "precise":
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _save(model: onnx.ModelProto, folder: Path) -> Path:
    """Write a model whose weights do not fit into one protocol buffer; it stays as it is."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)  # saving moves the weights out of the model that it is given
    path = folder / "model.onnx"
    onnx.save(twin, str(path), save_as_external_data=True, location="model.weights")
    return path


class Engine:
    """A model that is loaded and can be run.

    Attributes:
        inputs: names of what it must be fed.
        outputs: names of what it gives.
        kernels: with which kernels it runs.
    """

    def __init__(
        self,
        model: onnx.ModelProto | Path,
        *,
        kernels: Kernels = "default",
        threads: int = 1,
        outputs: Sequence[str] | None = None,
        memory: Memory = "kept",
    ) -> None:
        """Load a model on this machine's processor.

        Args:
            model: the model, or a file (.onnx, .ort). More than 1.5 GB in memory goes through a
                temporary file.
            kernels: see `Kernels`.
            threads: for one run; 0 leaves it to the engine.
            outputs: what is computed; all of the model's outputs by default.
            memory: see `Memory`.

        Raises:
            EngineError: ONNX Runtime cannot load it, or has no such output.
            KernelsUnavailable: it cannot load it with "precise": use "reference" then.
            EngineMissing: ONNX Runtime is not installed.
        """
        self.kernels: Kernels = kernels
        self._model = model
        self._threads = threads
        self._memory: Memory = memory
        self._session = self._open(_options(_import_engine(), kernels, threads, memory))
        self.inputs = tuple(str(value.name) for value in self._session.get_inputs())
        have = tuple(str(value.name) for value in self._session.get_outputs())
        self.outputs = have if outputs is None else tuple(outputs)
        missing = [name for name in self.outputs if name not in have]
        if missing:
            raise EngineError(f"the model has no output '{missing[0]}' (it has: {', '.join(have)})")

    def _open(self, options: Any) -> Any:
        ort = _import_engine()
        model = self._model
        try:
            if isinstance(model, Path):
                return ort.InferenceSession(str(model), options, providers=[_CPU])
            if model_bytes(model) <= LARGEST_IN_MEMORY:
                return ort.InferenceSession(model.SerializeToString(), options, providers=[_CPU])
            with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
                path = _save(model, Path(folder))
                return ort.InferenceSession(str(path), options, providers=[_CPU])
        except Exception as error:
            # The engine's exceptions share no base class but this one.
            raise self._wrapped(error, "load") from error

    def _wrapped(self, error: Exception, verb: str) -> Exception:
        """Return what to raise for an exception that came out of the engine."""
        own = type(error).__module__.startswith("onnxruntime")
        if not own and not isinstance(error, (RuntimeError, ValueError)):
            return error  # no memory, no disk space: not the model's fault
        text = " ".join(str(error).split())[:_MOST_TEXT]
        name = f"{self._model.name}: " if isinstance(self._model, Path) else ""
        if verb == "load" and self.kernels == "precise":
            return KernelsUnavailable(
                f"{name}ONNX Runtime cannot load the model with precise kernels: {text}"
            )
        return EngineError(f"{name}ONNX Runtime cannot {verb} the model: {text}")

    def forget_model(self) -> None:
        """Let go of the model as it was given: a copy that only `profile` needs."""
        self._model = Path()
        # The engine's Python wrapper keeps the bytes too, for as long as it lives.
        if getattr(self._session, "_model_bytes", None) is not None:
            self._session._model_bytes = None

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Run the model once.

        Args:
            feeds: an array per input; names that the model does not have are left out.

        Returns:
            An array per output.

        Raises:
            EngineError: an input is missing, or the engine failed.
        """
        missing = sorted(set(self.inputs) - set(feeds))
        if missing:
            raise EngineError(f"nothing was given for input '{missing[0]}'")
        try:
            given = {name: feeds[name] for name in self.inputs}
            results = self._session.run(list(self.outputs), given)
        except Exception as error:
            raise self._wrapped(error, "run") from error
        return dict(zip(self.outputs, map(np.asarray, results), strict=True))

    def profile(self, feeds: Feeds) -> tuple[NodeRun, ...]:
        """Return what the engine's profile says of each node that it ran, in running order.

        Args:
            feeds: an array per input.

        Returns:
            A record per node of the engine's own rewritten graph.

        Raises:
            EngineError: as in `run`, or the model has been forgotten.
        """
        if isinstance(self._model, Path) and self._model == Path():
            raise EngineError("a model that has been forgotten cannot be profiled: open it again")
        options = _options(_import_engine(), self.kernels, self._threads, self._memory)
        with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._open(options)
            missing = sorted(set(self.inputs) - set(feeds))
            if missing:
                session.end_profiling()
                raise EngineError(f"nothing was given for input '{missing[0]}'")
            try:
                session.run(list(self.outputs), {name: feeds[name] for name in self.inputs})
            except Exception as error:
                raise self._wrapped(error, "run") from error
            finally:
                written = Path(session.end_profiling())
            return tuple(node_runs(json.loads(written.read_text(encoding="utf-8"))))

    def nodes_per_provider(self, feeds: Feeds | None = None) -> dict[str, int]:
        """Return how many nodes ran on each execution provider, from the profile of one run.

        Args:
            feeds: an array per input; zeros by default.
        """
        records = self.profile(feeds if feeds is not None else self._zeros())
        return dict(Counter(record.provider for record in records))

    def _zeros(self) -> Feeds:
        kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
        feeds: Feeds = {}
        for value in self._session.get_inputs():
            shape = [size if isinstance(size, int) and size > 0 else 1 for size in value.shape]
            # Not all zeros: a unit vector's length is divided by.
            feeds[value.name] = np.full(shape, 0.25, kinds.get(value.type, np.float32))
        return feeds
