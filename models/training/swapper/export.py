"""Write a trained swapper and its card: `scripts/train swapper.export --size 128` (or 256)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from models.training.export import export, write_card
from models.training.runs import WEIGHTS, load_checkpoint
from models.training.swapper.files import checkpoint, model_name
from models.training.swapper.net import FAMILY, LENGTH, Swapper

CARD = """\
name = "{name}"
kind = "swapper"
title = "Reference swapper: {side} pixels, thin, made for small devices"
file = "{{file}}"
sha256 = "{{sha256}}"
size = {{size}}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody"

[input]
name = "target"
shape = [1, 3, {side}, {side}]
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
exact_mask = true

[source]
kind = "embedding"
name = "source"
recogniser = "ref_embedder"
normalise = true

[crop]
template = "arcface_128"
size = {side}
"""


@torch.no_grad()
def settled(net: Swapper) -> Swapper:
    """Fold the embedding's scale into the first layer, in place."""
    net.eval().requires_grad_(False)
    net.mapping.first.weight.mul_(net.mapping.scale)
    net.mapping.scale = 1.0
    return net


def write(net: Swapper, path: Path) -> None:
    """Write a network as ONNX of opset 17 with static shapes."""
    examples = (
        torch.rand(1, 3, net.size, net.size),
        torch.nn.functional.normalize(torch.ones(1, LENGTH)),
    )
    export(settled(net), examples, ["target", "source"], ["output", "mask"], path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=sorted(FAMILY), default=128)
    parser.add_argument("--out", type=Path, help="write the ONNX file there, and no card")
    options = parser.parse_args()
    state = load_checkpoint(checkpoint(options.size))
    if state is None:
        raise SystemExit(f"there is no {checkpoint(options.size)}: scripts/train swapper.train")
    net = Swapper(options.size)
    net.load_state_dict(state["average"])
    name = model_name(options.size)
    path = options.out or WEIGHTS / f"{name}.onnx"
    write(net, path)
    if options.out is None:
        write_card(name, CARD.format(name=name, side=options.size), path)
    Console().print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, step {state['step']}")


if __name__ == "__main__":
    main()
