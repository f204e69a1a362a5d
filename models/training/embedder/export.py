"""Write ref_embedder.onnx and its card: `scripts/train embedder.export`, after `pairs crowd`.

From which cosine on two faces count as one person is found on people of their own, whom neither
training knows nor the table of who is missed and mistaken (`fairness`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from models.training.embedder.evaluate import crowd_vectors, exported, strangers_limit
from models.training.embedder.net import SIZE
from models.training.export import export, write_card
from models.training.pairs import Store
from models.training.runs import WEIGHTS
from models.training.swapper.sources import frozen_embedder

CARD = """\
name = "ref_embedder"
kind = "recogniser"
title = "Reference recogniser: tells faces of nobody apart by their face part"
file = "{file}"
sha256 = "{sha256}"
size = {size}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody"

# (value * scale - mean) / std on pixels of 0..255 gives -1..1
[input]
name = "input"
shape = [1, 3, 112, 112]
channels = "RGB"
scale = 0.00784313725490196
mean = [1.0, 1.0, 1.0]
std = [1.0, 1.0, 1.0]

[output]
name = "embedding"
length = 512
normalised = true
match_threshold = MATCH_THRESHOLD  # one in a hundred pairs of strangers reaches it

[crop]
template = "arcface_112_v2"
size = 112
"""


def main() -> None:
    """Export the averaged weights of the checkpoint, or the shipped ones anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=WEIGHTS / "ref_embedder.onnx")
    options = parser.parse_args()
    path: Path = options.output
    try:
        Store("crowd")  # before anything is written: the card needs its people
    except FileNotFoundError as error:
        parser.error(str(error))
    net = frozen_embedder().to(memory_format=torch.contiguous_format)
    export(net, (torch.zeros(1, 3, SIZE, SIZE),), ["input"], ["embedding"], path)
    limit = strangers_limit(crowd_vectors(exported(path)))
    if path.parent == WEIGHTS:
        write_card("ref_embedder", CARD.replace("MATCH_THRESHOLD", f"{limit:.2f}"), path)
    Console().print(
        f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, one person from a cosine of {limit:.2f}"
    )


if __name__ == "__main__":
    main()
