"""Whether this machine's kernels compute what an 8-bit file says.

Two faults look like bad quantization, and are none. On x86 without VNNI the quick kernels add two
products in 16 bits and saturate: a file that holds 47 dB then gives 36. And the engine makes layers
8-bit that were left float, with scales of its own. Both show when the same file is run with other
kernels, and when its profile is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.machine import this_machine
from quantize.engine import Engine, Feeds, Kernels
from quantize.errors import KernelsUnavailable, SamplesError
from quantize.int8_choice import WEIGHTED
from quantize.int8_weights import LARGEST_PAIR, pair_peaks
from quantize.memory import give_back
from quantize.metrics import psnr
from quantize.samples import Samples

__all__ = ["Saturation", "can_saturate", "check_saturation", "refused_layers"]

Verdict = Literal["none", "saturates", "differs"]
Cure = Literal["", "reduce_range", "x64quantprecision"]

# Rounding in another order moves a few values by one step: so much closer than that is no fault.
_ENOUGH = 1.0  # dB that default kernels may lose against the file
_ALIKE = 45.0  # dB of two kernels against each other, where no float model tells what is lost

_KERNELS: tuple[Kernels, ...] = ("default", "precise", "reference")
_INTEGER_KERNELS = ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger")


_RENAMED = re.compile(r"_(token_\d+|nhwc)$")


class Runnable(Protocol):
    """What runs a model; an `Engine`, but for tests."""

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Run the model once."""
        ...


Opener = Callable[[onnx.ModelProto, Kernels, int], Runnable]


@dataclass(frozen=True, slots=True)
class Saturation:
    """What the kernels make of a file.

    Attributes:
        default: dB of the worst sample with this machine's usual kernels.
        precise: the same without saturation; None where the engine cannot load that.
        reference: the same as fake quantization in float: what the file says.
        against: what dB are measured against: the float model's outputs, or the file's own.
        verdict: "none": all agree. "saturates": the usual kernels alone lose. "differs": the
            precise ones lose too, or cannot tell.
        cure: what helps: weights that cannot saturate ("reduce_range" in the recipe), or, where
            they are that already, the slower kernels of `session.x64quantprecision`.
        refused: layers that the engine runs in 8 bits although the file leaves them float.
        features: what this processor has that decides over kernels (avx2, avx512_vnni, asimddp).
    """

    default: float
    precise: float | None
    reference: float
    against: Literal["float", "file"]
    verdict: Verdict
    cure: Cure
    refused: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for people."""
        if self.refused:
            return f"the engine quantizes {len(self.refused)} float layers: {self.refused[0]}"
        if self.verdict == "none":
            return "kernels compute what the file says"
        loss = self.reference - self.default
        if self.verdict == "differs":
            return f"kernels lose {loss:.1f} dB, and not by saturation alone"
        cures = {
            "": "no cure is known",
            "reduce_range": "a recipe with reduce_range cures it",
            "x64quantprecision": "run it with session.x64quantprecision = 1",
        }
        return f"kernels saturate and lose {loss:.1f} dB: {cures[self.cure]}"


def _open(model: onnx.ModelProto, kernels: Kernels, threads: int) -> Runnable:
    return Engine(model, kernels=kernels, threads=threads)


def _outputs(runner: Runnable, samples: Samples) -> list[dict[str, NDArray[Any]]]:
    return [dict(runner.run(feeds)) for feeds in samples.feeds]


def _worst(
    outputs: Sequence[dict[str, NDArray[Any]]], wanted: Sequence[dict[str, NDArray[Any]]]
) -> float:
    """Return the dB of the worst output of the worst sample; the peak is the output's own span."""
    spans = {}
    for name in wanted[0]:
        ends = [float(end) for each in wanted for end in (each[name].min(), each[name].max())]
        spans[name] = max(float(np.ptp(ends)), 1e-12)
    return min(
        psnr(*(each[name].astype(np.float64) / spans[name] for each in (got, right)))
        for got, right in zip(outputs, wanted, strict=True)
        for name in right
    )


def can_saturate(model: onnx.ModelProto) -> bool:
    """Return whether a quantized layer has weights that two products in 16 bits do not hold.

    Args:
        model: a quantized model.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED or len(node.input) < 2:
            continue
        sides = [makers.get(name) for name in node.input[:2]]
        if not all(side is not None and side.op_type == "DequantizeLinear" for side in sides):
            continue
        tensor = stored.get(sides[1].input[0]) if sides[1] is not None else None
        if tensor is None or tensor.data_type != onnx.TensorProto.INT8:
            continue
        weight = np.asarray(onnx.numpy_helper.to_array(tensor), np.float32)
        if pair_peaks(weight, node, None).max() > LARGEST_PAIR:
            return True
    return False


def refused_layers(model: onnx.ModelProto, feeds: Feeds, *, threads: int = 1) -> tuple[str, ...]:
    """Return the layers that run in 8 bits although the file leaves their weights float.

    Args:
        model: a quantized model whose nodes have names.
        feeds: an array per input.
        threads: of the engine.

    Raises:
        EngineError: ONNX Runtime cannot load or run it.
    """
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    asked_float = {
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED
        and len(node.input) > 1
        and made.get(node.input[1]) != "DequantizeLinear"
    }
    if not asked_float:
        return ()
    records = Engine(model, threads=threads, memory="returned").profile(feeds)
    ran = {run.name for run in records if run.operator in _INTEGER_KERNELS}
    # The engine adds a number to the names of what it lays out anew.
    ran |= {_RENAMED.sub("", name) for name in ran}
    return tuple(sorted(asked_float & ran))


def _check(
    float_outputs: Sequence[dict[str, NDArray[Any]]] | None,
    outputs: dict[Kernels, Sequence[dict[str, NDArray[Any]]]],
) -> tuple[dict[Kernels, float], Literal["float", "file"]]:
    wanted = outputs["reference"] if float_outputs is None else float_outputs
    found = {kernels: _worst(made, wanted) for kernels, made in outputs.items()}
    return found, "file" if float_outputs is None else "float"


def _verdict(
    found: dict[Kernels, float], against: Literal["float", "file"], agreement: float
) -> Verdict:
    """Judge the kernels.

    Args:
        found: dB per kernels.
        against: what they are measured against.
        agreement: dB of the default kernels against fake quantization.
    """
    if agreement >= _ALIKE:
        return "none"
    if against == "float" and found["reference"] - found["default"] <= _ENOUGH:
        return "none"
    precise = found.get("precise")
    if precise is None:
        return "differs"
    if against == "float":
        return "saturates" if found["reference"] - precise <= _ENOUGH else "differs"
    return "saturates" if precise >= _ALIKE else "differs"


def check_saturation(
    model: onnx.ModelProto,
    samples: Samples,
    *,
    original: onnx.ModelProto | None = None,
    float_outputs: Sequence[dict[str, NDArray[Any]]] | None = None,
    threads: int = 1,
    opener: Opener = _open,
) -> Saturation:
    """Run a quantized model with three kinds of kernels, and compare.

    Args:
        model: the quantized model.
        samples: what it is fed; a few are enough.
        original: the float model that it was made of. Without it, and without its outputs, the
            kernels are compared with fake quantization alone.
        float_outputs: what that model gave per sample, where it is known already: a large one need
            not be loaded again.
        threads: of the engine.
        opener: how a model is opened; another one only in tests.

    Raises:
        SamplesError: there are no samples.
        EngineError: ONNX Runtime cannot load or run a model.
    """
    if not samples.feeds:
        raise SamplesError("there is no sample to check the kernels with")
    outputs: dict[Kernels, Sequence[dict[str, NDArray[Any]]]] = {}
    for kernels in _KERNELS:
        try:
            outputs[kernels] = _outputs(opener(model, kernels, threads), samples)
        except KernelsUnavailable:
            continue
        give_back()  # what one engine leaves behind is as much as the next one asks for
    if float_outputs is None and original is not None:
        float_outputs = _outputs(opener(original, "reference", threads), samples)
    found, against = _check(float_outputs, outputs)
    agreement = _worst(outputs["default"], outputs["reference"])
    verdict = _verdict(found, against, agreement)
    cure: Cure = ""
    if verdict == "saturates":
        cure = "reduce_range" if can_saturate(model) else "x64quantprecision"
    return Saturation(
        default=found["default"],
        precise=found.get("precise"),
        reference=found["reference"],
        against=against,
        verdict=verdict,
        cure=cure,
        refused=refused_layers(model, samples.feeds[0], threads=threads),
        features=this_machine().features,
    )
