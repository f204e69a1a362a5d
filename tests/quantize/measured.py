"""A model whose error is known beforehand, its contract, and a comparison that nobody measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import onnx

from edge.contracts import Card, CropSpec, Licence, PictureSpec, SourceSpec, TensorSpec
from edge.machine import Machine
from quantize.comparison import Comparison, Row
from quantize.contract import ModelContract
from quantize.passes import InputSpec
from quantize.quality import Scores
from quantize.timing import Timing
from quantize.truth import TruthScores
from tests.quantize.graphs import Sketch


def shifted(amount: float, side: int = 16, *, mask: bool = False) -> onnx.ModelProto:
    """A model that gives its picture back, brighter by `amount`; its mask is all 0.5."""
    sketch = Sketch()
    x = sketch.input("target", 1, 3, side, side)
    sketch.op("Add", x, sketch.keep([amount]), output="output")
    if mask:
        mean = sketch.op("ReduceMean", x, axes=[1], keepdims=1)
        none = sketch.op("Mul", mean, sketch.keep([0.0]))
        sketch.op("Add", none, sketch.keep([0.5]), output="mask")
        return sketch.model("output", "mask")
    return sketch.model("output")


def card(channels: str = "RGB", mask: str = "", side: int = 16) -> Card:
    """A swapper's card."""
    return Card(
        name="tiny",
        kind="swapper",
        title="Tiny",
        file="tiny.onnx",
        sha256="",
        size=0,
        precision="fp32",
        home="",
        licence=Licence("Apache-2.0", "yes", "nothing"),
        input=TensorSpec("target", (1, 3, side, side), "RGB", 1 / 255, (0, 0, 0), (1, 1, 1)),
        picture=PictureSpec("output", (0.0, 1.0), channels, mask),
        source=SourceSpec("source", "embedding", "ref_embedder", True, 512),
        crop=CropSpec("arcface_128", side),
    )


def contract(
    *,
    mask: str | None = None,
    picture_range: tuple[float, float] = (0.0, 1.0),
    channels: str = "RGB",
    side: int = 16,
) -> ModelContract:
    """The contract of `shifted`."""
    return ModelContract(
        card=card(channels, mask or "", side),
        inputs={"target": InputSpec("picture", shape=(1, 3, side, side))},
        target="target",
        source=None,
        picture="output",
        picture_range=picture_range,
        mask=mask,
        derived=False,
    )


def row(name: str, **changes: Any) -> Row:
    """A row of a comparison with figures of all kinds."""
    scores = Scores(
        psnr_mean=48.2,
        psnr_worst=44.1,
        ssim_mean=0.99,
        ssim_worst=0.981,
        max_error=0.05,
        mean_error=0.00001,
        identity_cosine=0.991,
        worst=1,
        psnr=(52.3, 44.1),
        ssim=(0.999, 0.981),
    )
    plain = Row(
        name=name,
        format="onnx",
        size=1_234_567,
        size_ratio=0.26,
        precision="int8",
        target="raspberry_pi",
        recipe="raspberry_pi",
        engine="ort 1.32.0",
        kernels="precise",
        memory_added=21_000_000,
        memory_peak=90_000_000,
        providers={"CPUExecutionProvider": 57},
        timing=Timing(20, 12.5, 14.0, 11.9, 1.62, 1.6),
        scores=scores,
        truth=TruthScores(27.0, 27.1, 0.9, 0.91, True),
    )
    return replace(plain, **changes)


def comparison(*candidates: Row, notes: tuple[str, ...] = ()) -> Comparison:
    """A comparison that nobody measured."""
    reference = row(
        "model.onnx",
        size=4_000_000,
        size_ratio=1.0,
        precision="",
        target="",
        recipe="",
        kernels="default",
        timing=Timing(20, 20.25, 22.0, 19.0, 1.0, 1.0),
        scores=None,
        truth=None,
    )
    machine = Machine("", "A processor", "x86_64", 4, ("avx2", "fma"), 2**34, "", "A system", "6.1")
    return Comparison(
        reference=reference,
        candidates=candidates,
        card="tiny",
        samples="2 faces of nobody",
        count=2,
        digest="0" * 64,
        threads=2,
        rounds=20,
        load=0.5,
        machine=machine,
        versions={"edge-swap": "0.1.0", "onnxruntime": "1.32.0"},
        created="2026-01-02T03:04:05+00:00",
        notes=notes,
    )
