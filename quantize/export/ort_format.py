"""ORT format: a model that reduced builds of ONNX Runtime load, and the operators these must have.

Traps, all of them seen with ONNX Runtime 1.32 on x86-64:

* What is rewritten for the processor at hand is written into the file. The blocked convolution
  layout of x86 (NCHWc, blocks as wide as a vector register) does not run on ARM, so it is left out
  there; a file for x86 goes with processors of the same vector width only.
* Rewriting a half-precision model to the end on a processor without half-precision kernels stores
  its weights as float32: the file is as large as that of the float model. So the last level is left
  out for it, and weights are cast up when the model runs.
* With the style "runtime", part of the rewriting is noted instead of done. It is redone only where
  `session.enable_saved_runtime_optimizations` is 1; without it the model runs as well, but slower.
* For signed 8-bit activations, what suits ARM is not what suits x86: the file is for one of them.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edge.consent.storage import sync_folder
from edge.errors import EngineMissing
from edge.publish import writing_failed
from quantize.errors import CheckError, EngineError, QuantizeError, TargetError
from quantize.export.ort_operators import required_operators
from quantize.export.ort_order import in_order
from quantize.passes import draw_feeds
from quantize.passes._infra.shapes import model_bytes, tensor_bytes
from quantize.stored import assemble, constants_of, without_constants
from quantize.targets import ORT_STYLES, OrtStyle

__all__ = ["READ_SINCE", "Architecture", "OrtFiles", "format_of", "to_ort"]

Architecture = Literal["x86_64", "aarch64"]

READ_SINCE = {"6": "1.22"}
"""By version of the format, an ONNX Runtime that reads it.

Files of 1.32 ran in 1.22.1, 1.24.1, 1.26.0 and 1.30.0 alike (x86-64).
"""

_LARGEST = 1_900_000_000  # bytes; a flat buffer ends at 2 GB
_LOG_ERRORS_ONLY = 3
_CONFIG = ".required_operators.config"

# How far the file's outputs may be from the model's: root mean square over the output's range.
# The same arithmetic in another order, in half precision, and in steps of 8 bits.
_LIMITS = {"float": 1e-5, "half": 1e-3, "integer": 1e-2}


@dataclass(frozen=True, slots=True)
class OrtFiles:
    """What was written.

    Attributes:
        model: the .ort file.
        config: the operators and types that a reduced build of ONNX Runtime must have for it
            (`--include_ops_by_config`, `--enable_reduced_operator_type_support`).
        size: bytes of the .ort file.
        difference: from the ONNX model's outputs on random inputs: root mean square, relative to
            the output's range; the worst.
        notes: what a user of the file has to know, one sentence each.
    """

    model: Path
    config: Path
    size: int
    difference: float
    notes: tuple[str, ...]


def to_ort(model: onnx.ModelProto, output: Path, *, style: OrtStyle, target: str) -> OrtFiles:
    """Convert a model to ORT format, load the result and compare what it computes.

    Args:
        model: ONNX; it stays as it is.
        output: the .ort file, replaced when it exists. Beside it comes
            `<name>.required_operators.config`.
        style: see `quantize.targets.OrtStyle`.
        target: architecture of the device's processor, x86_64 or aarch64.

    Returns:
        What was written. Neither file appears under its name before both have passed the check.

    Raises:
        TargetError: no such architecture or style.
        EngineError: ONNX Runtime cannot load or convert the model.
        CheckError: the file computes something else than the model.
        QuantizeError: the model is too large for the format.
        OutputError: the disk is full, or the folder may not be written to.
    """
    if target not in get_args(Architecture) or style not in ORT_STYLES:
        raise TargetError(
            f"no ORT format for '{target}' in style '{style}': take one of "
            f"{', '.join(get_args(Architecture))} and one of {', '.join(ORT_STYLES)}"
        )
    if model_bytes(model) > _LARGEST:
        raise QuantizeError("ORT format ends at 2 GB, and the model is larger: take --format onnx")
    job = _Job(model, arm=target == "aarch64")
    config = output.with_name(f"{output.name.removesuffix('.ort')}{_CONFIG}")
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as name:
            folder = Path(name)
            made = job.convert(style, folder / "model.ort")
            operators = folder / "operators.config"
            operators.write_text(job.required(style, made, output.name), encoding="utf-8")
            difference = job.compare(style, made)
            size = made.stat().st_size
            _publish(operators, config, made, output)
    except OSError as error:
        raise writing_failed(output, error) from error
    return OrtFiles(output, config, size, difference, job.notes(style))


def format_of(data: bytes) -> str:
    """Return the version of the format that an .ort file states; empty where it is none.

    A flat buffer begins with the place of its root table, which begins with the way back to the
    list of its fields; the first of an InferenceSession is `ort_version`, a string.

    Args:
        data: the file's bytes.
    """
    try:
        if data[4:8] != b"ORTM":
            return ""
        (root,) = struct.unpack_from("<I", data, 0)
        (back,) = struct.unpack_from("<i", data, root)
        (first,) = struct.unpack_from("<H", data, root - back + 4)
        (way,) = struct.unpack_from("<I", data, root + first)
        (length,) = struct.unpack_from("<I", data, root + first + way)
        start = root + first + way + 4
        return data[start : start + length].decode("ascii")
    except (struct.error, UnicodeDecodeError):
        return ""


def _publish(operators: Path, config: Path, made: Path, output: Path) -> None:
    """Give both files their names; that of the model comes last and says that all is there."""
    for path in (operators, made):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    operators.replace(config)
    try:
        made.replace(output)
    except BaseException:
        config.unlink(missing_ok=True)
        raise
    sync_folder(output.parent)


def _run(session: Any, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    wanted = {value.name: feeds[value.name] for value in session.get_inputs()}
    return [np.asarray(value) for value in session.run(None, wanted)]


def _with_zero_points(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose Q and DQ nodes name their zero points.

    They may leave out one that is 0, but ONNX Runtime then writes no runtime style: "The sum of
    input arg count is not equal to size of input defs".
    """
    if not any(map(_lacks_zero_point, model.graph.node)):
        return model
    constants = constants_of(model)
    bare, added = without_constants(model), []
    for node in bare.graph.node:
        if not _lacks_zero_point(node):
            continue
        stored, scale = constants.get(node.input[0]), constants.get(node.input[1])
        if stored is None or scale is None:
            continue
        zero = onnx.TensorProto(data_type=stored.data_type, dims=scale.dims)
        zero.name = f"{node.output[0]}_zero"
        zero.raw_data = bytes(tensor_bytes(zero))
        node.input.append(zero.name)
        added.append(zero)
    return assemble(bare, [*constants.values(), *added])


def _lacks_zero_point(node: onnx.NodeProto) -> bool:
    return node.op_type == "DequantizeLinear" and len(node.input) == 2


def _kind(model: onnx.ModelProto) -> str:
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return "integer"
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    return "half" if TensorProto.FLOAT16 in kinds else "float"


class _Job:
    """One model on its way into ORT format."""

    def __init__(self, model: onnx.ModelProto, *, arm: bool) -> None:
        self.kind = _kind(model)
        self.model = _with_zero_points(model) if self.kind == "integer" else model
        self.arm = arm

    def _open(
        self, source: Path | None, mode: str = "", *, basic: bool = False, into: Path | None = None
    ) -> Any:
        """Open the model, or a file, as the engine would rewrite it for the target.

        Args:
            source: an .ort file; None for the model.
            mode: what happens to rewriting that can wait: "save" or "apply".
            basic: leave out all but the rewriting that suits every processor.
            into: where the rewritten model is written to.
        """
        ort = _engine()
        options = ort.SessionOptions()
        options.log_severity_level = _LOG_ERRORS_ONLY
        options.intra_op_num_threads = 1
        levels = ort.GraphOptimizationLevel
        most = levels.ORT_ENABLE_EXTENDED if self.kind == "half" else levels.ORT_ENABLE_ALL
        options.graph_optimization_level = levels.ORT_ENABLE_BASIC if basic else most
        entries = {"session.qdqisint8allowed": "1" if self.arm else "0"}
        if mode:
            entries["optimization.minimal_build_optimizations"] = mode
        if into is not None:
            options.optimized_model_filepath = str(into)
            entries["session.save_model_format"] = "ORT"
        if source is not None and mode == "apply":
            entries = {"session.enable_saved_runtime_optimizations": "1"}
        for key, value in entries.items():
            options.add_session_config_entry(key, value)
        try:
            return ort.InferenceSession(
                self.model.SerializeToString() if source is None else str(source),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=self._left_out(),
            )
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            verb = "convert the model to" if source is None else "load what it wrote in"
            text = " ".join(str(error).split())[:300]
            raise EngineError(f"ONNX Runtime cannot {verb} ORT format: {text}") from error

    def _left_out(self) -> list[str]:
        """Return the names of the rewriting that does not suit the file, whatever the level."""
        blocked = ["NchwcTransformer"] if self.arm else []
        # It would cast large half-precision weights up, and store them so.
        return [*blocked, "ConstantFolding"] if self.kind == "half" else blocked

    def convert(self, style: OrtStyle, path: Path) -> Path:
        """Write the .ort file."""
        self._open(None, "save" if style == "runtime" else "", into=path)
        path.write_bytes(in_order(path.read_bytes()))
        return path

    def required(self, style: OrtStyle, made: Path, name: str) -> str:
        """Return the text of the operators' list."""
        files = [made]
        if style == "runtime":
            # What is redone at load needs the fused operators; where it is not, the plain ones.
            files.append(made.with_name("replayed.ort"))
            self._open(None, "apply", into=files[1])
        text = required_operators(files, name)
        for path in files[1:]:
            path.unlink()
        return text

    def compare(self, style: OrtStyle, made: Path) -> float:
        """Run model and file on random inputs, with the same rewriting; return how far apart.

        Raises:
            CheckError: too far.
        """
        feeds = draw_feeds(self.model, count=1)[0]
        modes = [""] if style == "fixed" else ["", "apply"]
        worst = 0.0
        for mode in modes:
            basic = style == "runtime" and not mode
            wanted = _run(self._open(None, mode, basic=basic), feeds)
            given = _run(self._open(made, mode), feeds)
            worst = float(np.max([worst, *map(_apart, wanted, given)]))  # a NaN stays one
        if not worst <= _LIMITS[self.kind]:
            raise CheckError(
                f"the ORT format file computes something else than the model: {worst:.2g} of the "
                f"output's range apart, more than {_LIMITS[self.kind]:.0e}; take --format onnx"
            )
        return worst

    def notes(self, style: OrtStyle) -> tuple[str, ...]:
        found = []
        if not self.arm and style == "fixed" and self.kind != "half":
            found.append(
                "convolutions are laid out for this machine's vector width: convert on the "
                "device's own kind of processor"
            )
        if style == "runtime":
            found.append(
                "load it with session.enable_saved_runtime_optimizations=1, or part of the "
                "rewriting for speed is left undone"
            )
        if self.kind == "half":
            found.append(
                "half precision is storage here: operators without such kernels on the converting "
                "machine compute in float32"
            )
        return tuple(found)


def _apart(wanted: NDArray[Any], given: NDArray[Any]) -> float:
    """Return the root mean square of the difference over the range of what is wanted."""
    if not wanted.size:
        return 0.0
    wanted, given = wanted.astype(np.float64), given.astype(np.float64)  # a bool has no span
    gap = wanted - given
    span = float(np.ptp(wanted)) or max(float(np.abs(wanted).max()), 1.0)
    return float(np.sqrt(np.square(gap).mean()) / span)


def _engine() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMissing(
            "ORT format is written by ONNX Runtime, which is not installed: "
            "pip install 'edge-swap[cpu,quantize]'"
        ) from error
    return onnxruntime
