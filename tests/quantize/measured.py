"""A model whose error is known beforehand, and its contract: for the tests of what measures."""

from __future__ import annotations

import onnx

from edge.contracts import Card, CropSpec, Licence, PictureSpec, SourceSpec, TensorSpec
from quantize.contract import ModelContract
from quantize.passes import InputSpec
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
