"""Write ref_landmarker.onnx and its card: `python -m models.training.landmarker.export`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from models.training.detector.export import folded
from models.training.export import export, write_card
from models.training.landmarker.net import SIZE, Landmarker
from models.training.landmarker.train import CHECKPOINT
from models.training.runs import WEIGHTS, data_folder, load_checkpoint

CARD = """\
name = "ref_landmarker"
kind = "landmarker"
title = "Reference landmarker: places the five landmarks of a face, and tells whether it is one"
file = "{file}"
sha256 = "{sha256}"
size = {size}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody, placed on procedural backgrounds and on photographs of \
things and places from Debian packages; no picture of a person"

# (value * scale - mean) / std on pixels of 0..255 gives -1..1
[input]
name = "crop"
shape = [1, 3, 96, 96]
channels = "RGB"
scale = 0.00784313725490196
mean = [1.0, 1.0, 1.0]
std = [1.0, 1.0, 1.0]

[output]
name = "landmarks"      # x, y of the five, in sides of the crop
face = "face"           # probability that the crop shows a face
threshold = 0.7         # of the score with the detector's; `detector.evaluate --pick` says which
looks = 2

[crop]
template = "ffhq_512"
size = 96
"""


def main() -> None:
    """Export the averaged weights of the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=WEIGHTS / "ref_landmarker.onnx")
    options = parser.parse_args()
    saved = load_checkpoint(data_folder() / CHECKPOINT)
    if saved is None:
        parser.error("there is no checkpoint: train the landmarker first")
    net = Landmarker()
    net.load_state_dict(saved["average"])
    net.eval()
    net.body = folded(net.body)
    path = options.output
    export(net, (torch.zeros(1, 3, SIZE, SIZE),), ["crop"], ["landmarks", "face"], path)
    if path.parent == WEIGHTS:
        write_card("ref_landmarker", CARD, path)
    Console().print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, step {saved['step']}")


if __name__ == "__main__":
    main()
