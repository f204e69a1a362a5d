"""Make a swapper deaf to what 8 bits cannot hold of an embedding: `scripts/train swapper.quiet`.

Run it once, after `swapper.train` and before `swapper.export`. Of a weighed embedding most
directions hold next to nothing, and a swapper that has learnt to hear them has large weights there:
it hears what rounding to 8 bits makes of them as loudly as the face. The weights are replaced by
those that hear the same face best through that rounding (Wiener 1949): a direction of variance v
is heard by v / (v + q), where q is the variance of the rounding, times a margin.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.training.embedder.data import embedded
from models.training.linear import fitted
from models.training.needed import needed_checkpoint, needed_pictures
from models.training.pairs import CROPS
from models.training.runs import save_checkpoint
from models.training.swapper.files import checkpoint
from models.training.swapper.net import LENGTH, Swapper
from models.training.swapper.sources import frozen_embedder

_FACES = 8000

_MARGIN = 64.0
"""At 1 a unit vector that is no face's is still heard over four times as loudly as a face, and what
engines make of it differs by a hundredth; at 64 by a quarter more, and PSNR is the same."""


def rounding(vectors: Tensor) -> float:
    """Variance of the error of rounding to 8 bits with one step for all numbers.

    Args:
        vectors: (N, D); their largest number is to be held.
    """
    step = 2.0 * float(vectors.abs().max()) / 255.0
    return step**2 / 12.0


@torch.no_grad()
def quieten(net: Swapper, vectors: Tensor) -> float:
    """Let a swapper hear embeddings as well as it can through their rounding, in place.

    Args:
        net: changed.
        vectors: float (N, 512) embeddings of some faces.

    Returns:
        How much of the variance of what its first layer said of these faces it still says.
    """
    given = vectors.double()
    before = _said(net, given)
    # Ridge regression of embeddings on themselves is Wiener's filter of what is added to them.
    ridge = _MARGIN * rounding(given) / float(given.square().mean())
    net.mapping.hear_through(*fitted(given, given, ridge))
    lost = (before - _said(net, given)).var(0).sum()
    return float(1.0 - lost / before.var(0).sum())


def _said(net: Swapper, vectors: Tensor) -> Tensor:
    return vectors @ net.mapping.first.weight.reshape(-1, LENGTH).double().T


def main() -> None:
    """Quieten the network of the checkpoint, and its average."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = checkpoint(options.size)
    state = needed_checkpoint(parser, path, "swapper.train")
    pictures = needed_pictures(parser, "train")
    rng = np.random.default_rng(83)
    some = rng.choice(pictures.ready, min(_FACES, len(pictures.ready)), replace=False)
    vectors = torch.from_numpy(embedded(frozen_embedder(), pictures, some, 0))
    for name in ("net", "average"):
        net = Swapper(options.size)
        net.load_state_dict(state[name])
        share = quieten(net, vectors)
        state[name] = net.state_dict()
    save_checkpoint(path, **state)
    Console().print(f"{path.name} hears {share:.4f} of what it heard of an embedding")


if __name__ == "__main__":
    main()
