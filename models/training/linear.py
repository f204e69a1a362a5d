"""The linear map that errs least, in squares, from some vectors to others."""

from __future__ import annotations

import torch
from torch import Tensor

_RIDGE = 0.03


def fitted(given: Tensor, wanted: Tensor, ridge: float = _RIDGE) -> tuple[Tensor, Tensor]:
    """Fit a map with a bias.

    Args:
        given: (N, D) vectors.
        wanted: (N, T) what each should become.
        ridge: in parts of the vectors' mean squared number: what few vectors show is trusted less.

    Returns:
        Weight float64 (T, D) and bias float64 (T,).
    """
    x, y = given.double(), wanted.double()
    means = x.mean(0), y.mean(0)
    added = ridge * x.square().sum() / x.shape[1]
    x, y = x - means[0], y - means[1]
    kept = added * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(x.T @ x + kept, x.T @ y).T
    return weight, means[1] - weight @ means[0]
