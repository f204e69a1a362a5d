"""Go on from the shipped swapper, also where the recogniser is another one since.

Embeddings of two recognisers have nothing in common as numbers, but they tell the same of a face.
What the shipped swapper hears of an embedding is a linear mixture: one that makes the old
recogniser's words of the new one's is found by least squares, and put in front.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.training.crops import Floats
from models.training.embedder.data import aligned, as_input
from models.training.embedder.evaluate import exported
from models.training.linear import fitted
from models.training.on_device import Pictures
from models.training.runs import WEIGHTS
from models.training.shipped import take_over
from models.training.swapper.files import model_name
from models.training.swapper.net import Swapper
from models.training.swapper.sources import frozen_embedder

_FACES = 8000
_PART = 64

_RIDGE = 1e-6
"""Weighed numbers differ much in size, and the small ones count too: of 2000 faces that were left
out, 6000 others explain 0.86 of the old embeddings' variance, with a ridge of 0.03 only 0.77."""


@torch.no_grad()
def begin_with_shipped(net: Swapper) -> None:
    """Take over the weights in the repository, in place.

    Raises:
        KeyError, ValueError: the shipped swapper is another network.
    """
    take_over(net, WEIGHTS / f"{model_name(net.size)}.onnx", [])
    net.mapping.first.weight.div_(net.mapping.scale)  # export folds it in,
    for parameter in net.head.parameters():  # and sorts the channels for devices
        parameter.copy_(parameter.unflatten(0, (4, -1)).transpose(0, 1).flatten(0, 1))


@torch.no_grad()
def reword(net: Swapper, pictures: Pictures, recogniser: Path) -> None:
    """Let a swapper that knows one recogniser's embeddings be told those of the one trained here.

    Args:
        net: changed in place.
        pictures: faces that both look at.
        recogniser: the ONNX file of the one that the swapper knows.
    """
    rng = np.random.default_rng(83)
    some = rng.choice(pictures.ready, min(_FACES, len(pictures.ready)), replace=False)
    new, old = frozen_embedder(), exported(recogniser)
    theirs: list[Floats] = []
    ours: list[Tensor] = []
    for start in range(0, len(some), _PART):
        crops = as_input(aligned(pictures, some[start : start + _PART], rng)).cpu()
        theirs.append(old(crops.contiguous().numpy()))
        ours.append(new(crops))
    weight, bias = fitted(torch.cat(ours), torch.from_numpy(np.concatenate(theirs)), _RIDGE)
    net.mapping.hear_through(weight, bias)
