"""Shipped weights as the beginning of a training: what is in the repository is not learnt again.

An exported model has its batch normalisations folded into the layers beside them. Here they are
taken out again, so that the network is the shipped one to rounding, and yet learns as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

TO_MEASURE = 8
"""Batches that say how large the numbers of a shipped network are."""

Norm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d


def take_over(
    net: nn.Module,
    model: Path,
    crops: Iterable[Tensor],
    prefix: str = "",
    added: Collection[str] = (),
) -> None:
    """Give a network the weights of its exported model.

    A normalisation of vectors was folded into the linear layer beside it: here it comes to doing
    nothing. One that has no weights centres the vectors anew, on what it sees.

    Args:
        net: a convolution and the normalisation behind it are neighbours in one module.
        model: ONNX file whose initialisers are named after the network's weights.
        crops: some batches as the network is fed with in training, which say how large the numbers
            are that each normalisation sees.
        prefix: what stands before a weight's name in the file.
        added: layers that the file may lack, because the network has them since.

    Raises:
        KeyError: the file lacks a weight.
        ValueError: a weight has another shape.
    """
    found = {
        tensor.name: torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        for tensor in onnx.load(model).graph.initializer
    }
    normalised = _normalised(net)
    folded: list[tuple[Norm, Tensor]] = []
    with torch.no_grad():
        for name, module in net.named_modules():
            if not isinstance(module, nn.Conv2d | nn.Linear):
                continue
            if name in added and f"{prefix}{name}.weight" not in found:
                continue
            _copy(found, f"{prefix}{name}.weight", module.weight)
            norm = normalised.get(id(module))
            if norm is not None:
                bias = found[f"{prefix}{name}.bias"]
                _undo(norm, bias, torch.zeros_like(bias), torch.ones_like(bias))
                folded.append((norm, bias))
            elif module.bias is not None:
                _copy(found, f"{prefix}{name}.bias", module.bias)
        folded += [(m, torch.zeros(m.num_features)) for m in _of_vectors(net)]
        seen = _seen(net, [norm for norm, _ in folded], crops)
        for (norm, bias), (mean, variance) in zip(folded, seen, strict=True):
            _undo(norm, bias, mean, variance)


def _copy(found: dict[str, Tensor], name: str, into: Tensor) -> None:
    if found[name].shape != into.shape:
        raise ValueError(f"{name}: {tuple(found[name].shape)}, not {tuple(into.shape)}")
    into.copy_(found[name])


def _normalised(net: nn.Module) -> dict[int, nn.BatchNorm2d]:
    """The normalisation behind each convolution that has one."""
    out: dict[int, nn.BatchNorm2d] = {}
    for block in net.modules():
        for first, second in pairwise(block.children()):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                out[id(first)] = second
    return out


def _of_vectors(net: nn.Module) -> list[nn.BatchNorm1d]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]


def _undo(norm: Norm, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Let a normalisation by this mean and variance come to adding a bias, if it has weights."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    if norm.affine:
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(bias + mean)


def _seen(
    net: nn.Module, norms: list[Norm], crops: Iterable[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of what reaches each normalisation."""
    sums: list[list[Tensor]] = [[] for _ in norms]

    def noting(kept: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            x = given[0].float().transpose(0, 1).flatten(1)
            kept.append(torch.stack((x.mean(1), x.square().mean(1))))

        return note

    hooks = [
        norm.register_forward_pre_hook(noting(kept)) for norm, kept in zip(norms, sums, strict=True)
    ]
    learning = net.training
    net.eval()
    for batch in crops:
        net(batch)
    net.train(learning)
    for hook in hooks:
        hook.remove()
    means = [torch.stack(kept).mean(0) for kept in sums]
    return [(mean, (square - mean.square()).clamp(min=1e-4)) for mean, square in means]
