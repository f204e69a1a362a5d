"""The detector in 8 bits: `scripts/train detector.small`, after `detector.export`.

The toolchain's own parts make it: the same passes, calibration, recipe and arithmetic as those of
`edge quantize`, which takes swap models. It computes in 7-bit weights, so that x86 processors
without VNNI come to the same sums as all others, and it takes a frame of any size like the float
one. What it finds `scripts/train detector.evaluate --model` says.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from rich.console import Console
from rich.progress import track

from edge.backends import open_session
from edge.cards import load_card
from models.training.crops import Floats, Pixels
from models.training.detector.export import write_card
from models.training.fairness import FRAME, portrait_of
from models.training.runs import CARDS, WEIGHTS
from models.training.toolchain_faces import CALIBRATION
from quantize.calibrate import calibrate
from quantize.int8 import Int8Model, to_int8
from quantize.modelfile import load_model, name_nodes
from quantize.passes import STANDARD, StaticShapes, run_passes
from quantize.passes._infra.feeds import InputSpec
from quantize.recipes import load_recipe
from quantize.samples import samples_of
from quantize.timing import Timing, interleaved

RECIPE = "x86_cpu"
FRAMES = 64
NAME = "ref_detector_int8"
TITLE = "Reference face detector in 8 bits"
_INPUT = "frame"


def frames(count: int = FRAMES) -> list[Pixels]:
    """People of the toolchain's calibration, whom no training and no table of figures knows."""
    numbers = track(range(count), "frames to calibrate with")
    return [portrait_of(CALIBRATION + number, number)[0] for number in numbers]


def as_input(frame: Pixels) -> Floats:
    """uint8 (H, W, 3) BGR to float32 (1, 3, H, W) RGB in [0, 1]."""
    # Divided, where `edge.tensors` multiplies: else the shipped file does not come again.
    rgb = frame[..., ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(rgb, np.float32) / np.float32(255.0)


def smaller(weights: Path, pictures: list[Pixels]) -> Int8Model:
    """Quantize a detector for frames of any size.

    Args:
        weights: the float model's ONNX file.
        pictures: uint8 (320, 320, 3) BGR.
    """
    model = load_model(weights).model
    opened = [(value.name, _dims(value)) for value in (*model.graph.input, *model.graph.output)]
    shape = (1, 3, FRAME, FRAME)
    specs = {_INPUT: InputSpec("picture", 0.0, 1.0, shape)}
    run_passes(model, (StaticShapes({_INPUT: shape}), *STANDARD), inputs=specs)
    name_nodes(model)
    feeds = [{_INPUT: as_input(picture)} for picture in pictures]
    ranges = calibrate(model, samples_of(feeds, "frames of nobody"), cache=None)
    small = to_int8(model, ranges, load_recipe(RECIPE))
    _reopen(small.model, dict(opened))
    return small


def _dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def _reopen(model: onnx.ModelProto, opened: dict[str, list[int | str]]) -> None:
    """Let a frame have any size again; nothing in the graph hangs on the one it was made with."""
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for dim, size in zip(value.type.tensor_type.shape.dim, opened[value.name], strict=True):
            if isinstance(size, str):
                dim.dim_param = size
    onnx.checker.check_model(model, full_check=True)


def timings(files: list[Path], rounds: int = 60) -> list[Timing]:
    """Time of a frame of 320x320 on one core, the models in turns."""
    feed = {_INPUT: as_input(portrait_of(CALIBRATION + FRAMES, 0)[0])}
    sessions = {str(file): open_session(file, threads=1) for file in files}
    runs = {name: partial(session.run, feed) for name, session in sessions.items()}
    return list(interleaved(runs, rounds=rounds).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    console = Console()
    weights, path = WEIGHTS / "ref_detector.onnx", WEIGHTS / f"{NAME}.onnx"
    small = smaller(weights, frames())
    onnx.save(small.model, str(path))
    spec = load_card(CARDS / "ref_detector.toml").detector
    assert spec is not None
    write_card(path, spec.score_threshold, TITLE, "int8")
    sizes = [file.stat().st_size / 1e6 for file in (weights, path)]
    before, now = timings([weights, path])
    console.print(
        f"{path.name}: {sizes[1]:.2f} MB of {sizes[0]:.2f}, {len(small.quantized)} layers in 8 "
        f"bits, {len(small.left_float)} not; {FRAME}x{FRAME} on one core {now.p50:.1f} ms, float "
        f"{before.p50:.1f} ms: {now.ratio:.2f} times as quick"
    )


if __name__ == "__main__":
    main()
