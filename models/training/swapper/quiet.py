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
from models.training.on_device import Pictures
from models.training.pairs import CROPS, Store
from models.training.runs import load_checkpoint, save_checkpoint
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
    mean = given.mean(0)
    spread = (given - mean).T @ (given - mean) / len(given)
    noise = _MARGIN * rounding(given) * torch.eye(LENGTH, dtype=given.dtype)
    first = net.mapping.first
    assert first.bias is not None
    heard = first.weight.reshape(-1, LENGTH).double()
    kept = torch.linalg.solve(spread + noise, spread @ heard.T).T
    # What is heard no more was the same for all faces but for a little: its mean stays.
    first.bias.add_((net.mapping.scale * (heard - kept) @ mean).float())
    first.weight.copy_(kept.float()[..., None, None])
    lost = torch.trace((heard - kept) @ spread @ (heard - kept).T)
    return float(1.0 - lost / torch.trace(heard @ spread @ heard.T))


def main() -> None:
    """Quieten the network of the checkpoint, and its average."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = checkpoint(options.size)
    state = load_checkpoint(path)
    if state is None:
        parser.error(f"there is no {path}: scripts/train swapper.train")
    try:
        pictures = Pictures(Store("train"), torch.device("cpu"))
    except FileNotFoundError as error:
        parser.error(str(error))
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
