"""Write ref_swapper.onnx and its card: `python -m models.training.swapper.export`."""

from __future__ import annotations

import torch
from rich.console import Console

from models.training.export import export, write_card
from models.training.runs import WEIGHTS, data_folder, load_checkpoint
from models.training.swapper.net import LENGTH, SIZE, Swapper

CARD = """\
name = "ref_swapper"
kind = "swapper"
title = "Reference swapper: 128 pixels, thin, made for small devices"
file = "{file}"
sha256 = "{sha256}"
size = {size}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody"

[input]
name = "target"
shape = [1, 3, 128, 128]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
name = "output"
range = [0.0, 1.0]
channels = "RGB"
mask = "mask"
composited = true

[source]
kind = "embedding"
name = "source"
recogniser = "ref_embedder"
normalise = true

[crop]
template = "arcface_128"
size = 128
"""


@torch.no_grad()
def settled(net: Swapper) -> Swapper:
    """Fold the embedding's scale into the first linear layer, in place."""
    net.eval().requires_grad_(False)
    net.mapping.linear.weight.mul_(net.mapping.scale)
    net.mapping.scale = 1.0
    return net


def main() -> None:
    state = load_checkpoint(data_folder() / "swapper.pt")
    if state is None:
        raise FileNotFoundError("train the swapper first: models.training.swapper.train")
    net = Swapper()
    net.load_state_dict(state["average"])
    path = WEIGHTS / "ref_swapper.onnx"
    examples = (torch.rand(1, 3, SIZE, SIZE), torch.nn.functional.normalize(torch.ones(1, LENGTH)))
    export(settled(net), examples, ["target", "source"], ["output", "mask"], path)
    write_card("ref_swapper", CARD, path)
    Console().print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, step {state['step']}")


if __name__ == "__main__":
    main()
