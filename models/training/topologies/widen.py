"""Widen a trained inswapper without changing what it computes (Net2Wider).

Run `python -m models.training.topologies.widen`: the quarter-width network becomes the full one.
Each channel is there `times` over, and whoever reads them gets its weights in uneven shares that
sum to the old weight, so that no two columns are alike, as in a network that was trained so wide.
"""

from __future__ import annotations

import argparse

import torch
from rich.console import Console
from torch import Tensor, nn

from models.training.runs import data_folder, save_checkpoint, seeded
from models.training.topologies.contracts import TOPOLOGIES
from models.training.topologies.export import examples, trained
from models.training.topologies.inswapper import StyledConv

SPREAD = 0.5


def copied(value: Tensor, times: int) -> Tensor:
    """Each row (of outputs) several times over, side by side."""
    return value.repeat_interleave(times, dim=0)


def shared_out(weight: Tensor, times: int) -> Tensor:
    """Each column (of inputs) several times over, in random shares that sum to one."""
    shape = (*weight.shape[:2], times, *[1] * (weight.ndim - 2))
    shares = 1.0 + SPREAD * (2 * torch.rand(shape, dtype=torch.float64) - 1)
    shares = shares / shares.sum(dim=2, keepdim=True)
    spread = weight.double().unsqueeze(2) * shares
    return spread.flatten(1, 2).to(weight.dtype)


@torch.no_grad()
def widen(net: nn.Module, wide: nn.Module, times: int) -> nn.Module:
    """Fill `wide` from `net`, whose inner channels are `times` fewer.

    Args:
        net: an inswapper.
        wide: one of `times` its width; its weights are replaced.
        times: how often each channel comes.

    Returns:
        `wide`.
    """
    for (name, old), new in zip(net.named_modules(), wide.modules(), strict=True):
        if isinstance(old, nn.Conv2d):
            weight, bias = old.weight, old.bias
            if name != "encoder.0":  # reads the picture
                weight = shared_out(weight, times)
            if name != "head":  # writes the picture
                weight, bias = copied(weight, times), copied(bias, times)
            new.weight.copy_(weight)
            new.bias.copy_(bias)
        elif isinstance(old, StyledConv):
            new.style.weight.copy_(copied(old.style.weight, times))
            new.style.bias.copy_(copied(old.style.bias, times))
    return wide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="narrow", default="insq")
    parser.add_argument("--to", dest="wide", default="insf")
    parser.add_argument("--times", type=int, default=4)
    options = parser.parse_args()
    seeded(3)
    net = trained(TOPOLOGIES[options.narrow]).eval()
    wide = widen(net, TOPOLOGIES[options.wide].build(), options.times).eval()
    inputs = examples(TOPOLOGIES[options.wide])
    with torch.no_grad():
        gap = float((net(*inputs)[0] - wide(*inputs)[0]).abs().max())
    save_checkpoint(
        data_folder() / "topologies" / f"{options.wide}.pt", average=wide.state_dict(), widened=gap
    )
    Console().print(f"{options.wide}: largest difference {gap:.2g}")


if __name__ == "__main__":
    main()
