"""Write the averaged weights as ONNX, and the model's card.

Usage::

    python -m models.training.detector.export
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from rich.console import Console
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from models.training.detector.assign import STRIDES
from models.training.detector.net import Detector, Exported
from models.training.detector.train import checkpoint_path
from models.training.runs import CARDS, WEIGHTS, load_checkpoint

OUTPUTS = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES]
TITLE = "Reference face detector"
CARD = """\
name = "{name}"
kind = "detector"
title = "{title}"
file = "{name}.onnx"
sha256 = "{sha256}"
size = {size}
precision = "{precision}"

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody, placed on procedural backgrounds and on photographs of \
things and places from Debian packages; no picture of a person"

[input]
name = "frame"
shape = [1, 3, 0, 0]    # 0: any multiple of 32
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[detector]
decoder = "points"      # score_s, bbox_s, kps_s of each stride
strides = [8, 16, 32]
score_threshold = {threshold}
nms_iou = 0.4
vote_iou = 0.5
landmarker = "ref_landmarker"
"""


def folded(net: nn.Module) -> nn.Module:
    """Return a copy for inference whose normalisations are part of the convolutions."""
    net = copy.deepcopy(net).eval()
    for block in net.modules():
        if isinstance(block, nn.Sequential):
            for place in range(len(block) - 1):
                first, second = block[place], block[place + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    block[place] = fuse_conv_bn_eval(first, second)
                    block[place + 1] = nn.Identity()
    return net


def explicit_roi(model: onnx.ModelProto) -> None:
    """Give every Resize an empty region of interest by name; some runtimes want one."""
    resizes = [node for node in model.graph.node if node.op_type == "Resize"]
    if resizes:
        empty = numpy_helper.from_array(np.zeros(0, np.float32), "no_roi")
        model.graph.initializer.append(empty)
    for node in resizes:
        node.input[1] = "no_roi"


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """Trace the network into a model of opset 17 with a frame of any size."""
    stream = io.BytesIO()
    axes = {"frame": {2: "height", 3: "width"}}
    axes |= {f"{k}_{s}": {1: f"cells_{s}"} for k in ("score", "bbox", "kps") for s in STRIDES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(folded(net)), (torch.zeros(1, 3, 64, 96),), stream, dynamo=False,
            opset_version=17, input_names=["frame"], output_names=OUTPUTS, dynamic_axes=axes,
        )  # fmt: skip
    model = onnx.load_from_string(stream.getvalue())
    import onnxslim

    model = onnxslim.slim(model)
    explicit_roi(model)
    model.producer_name, model.producer_version = "edge-swap", ""
    onnx.checker.check_model(model, full_check=True)
    return model


def write_card(
    weights: Path, threshold: float, title: str = TITLE, precision: str = "fp32"
) -> None:
    """Write the card that fits ``weights``, under their name."""
    data = weights.read_bytes()
    text = CARD.format(
        name=weights.stem,
        title=title,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        precision=precision,
        threshold=threshold,
    )
    CARDS.mkdir(parents=True, exist_ok=True)
    (CARDS / f"{weights.stem}.toml").write_text(text, encoding="utf-8")


def main() -> None:
    """Export the checkpoint's averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=checkpoint_path())
    parser.add_argument("--output", type=Path, default=WEIGHTS / "ref_detector.onnx")
    parser.add_argument("--threshold", type=float, default=0.5)
    options = parser.parse_args()
    saved = load_checkpoint(options.checkpoint)
    if saved is None:
        parser.error(f"no checkpoint at {options.checkpoint}")
    net = Detector()
    net.load_state_dict(saved["average"])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(net), str(options.output))
    console = Console()
    console.print(f"{options.output}: {options.output.stat().st_size} bytes, step {saved['step']}")
    if options.output.parent == WEIGHTS:
        write_card(options.output, options.threshold)


if __name__ == "__main__":
    main()
