"""Weigh the recogniser's numbers by how surely they are read: `scripts/train embedder.weigh`.

Run it after `pairs strangers` and `embedder.train`, before `embedder.export`. A cosine counts every
number alike, and of some a network reads little but noise. Linear discriminant analysis (Fisher
1936, Rao 1948) finds mixtures that do not depend on each other, of which each tells a person from
others by some variance, where one person's own pictures differ by 1; each is then counted as far
as the person shows in it, as probabilistic LDA does (Ioffe 2006): by w / (1 + w).

Only people whom the network has not learnt show how surely it reads. The scale of what is added to
the variances of one person's pictures, against chance, is chosen on halves of them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from torch import nn

from models.training.crops import Floats
from models.training.embedder.data import embedded
from models.training.embedder.evaluate import auc, pairs_of
from models.training.embedder.net import CHECKPOINT, Embedder, of_state, unweighed
from models.training.needed import needed_checkpoint, needed_pictures
from models.training.on_device import Doubles
from models.training.pairs import Indices
from models.training.runs import data_folder, save_checkpoint, seeded

_RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""What is added to a person's variances, in parts of their mean."""

_LEAST = 1e-3
"""No number is lost: a swapper that is told these can still hear it."""

_VIEWS = (1, 2)
"""Versions of each picture, both worn."""


@dataclass(frozen=True)
class Spread:
    """Second moments of some people's embeddings.

    Attributes:
        within: float64 (D, D) covariance of one person's pictures about their mean.
        between: float64 (D, D) covariance of people beyond that.
    """

    within: Doubles
    between: Doubles


def spread(vectors: Floats, whose: Indices) -> Spread:
    """Measure how embeddings differ within people and between them.

    Args:
        vectors: float32 (N, D).
        whose: int64 (N,) the person of each.

    Raises:
        ValueError: there are not two people, or nobody has two pictures.
    """
    people, number, counts = np.unique(whose, return_inverse=True, return_counts=True)
    if len(people) < 2 or len(people) == len(whose):
        raise ValueError("to weigh takes two people and more, with two pictures and more of one")
    given = vectors.astype(np.float64)
    means = np.zeros((len(people), given.shape[1]))
    np.add.at(means, number, given)
    means /= counts[:, None]
    own = given - means[number]
    within = own.T @ own / (len(whose) - len(people))
    return Spread(within, np.cov(given.T) - within)


def mixture(of: Spread, ridge: float) -> Doubles:
    """The matrix that weighs embeddings, float64 (D, D): a column vector goes in on the right.

    Args:
        of: what was measured.
        ridge: is added to the variances within, in parts of their mean.
    """
    size = len(of.within)
    lower = np.linalg.cholesky(
        of.within + (ridge + 1e-6) * np.trace(of.within) / size * np.eye(size)
    )
    whitened = np.linalg.solve(lower, np.linalg.solve(lower, of.between).T)
    strengths, turns = np.linalg.eigh((whitened + whitened.T) / 2)
    seen = np.maximum(strengths, 0.0)
    weights = np.maximum(seen / (1.0 + seen), _LEAST)
    return np.asarray(weights[:, None] * np.linalg.solve(lower.T, turns).T)


def turned(found: Doubles) -> Doubles:
    """The same mixtures, turned so that all numbers are of like size.

    Cosines stay what they are. Weighed numbers differ ten thousandfold, and 8 bits know one step
    for all of them: beside the largest the others would be lost.

    Args:
        found: float64 (D, D).
    """
    size = len(found)
    turn = np.linalg.qr(np.random.default_rng(29).standard_normal((size, size)))[0]
    return np.asarray(turn @ (found / np.abs(found).max()))


def apart(vectors: Floats | Doubles, whose: Indices) -> float:
    """AUC over all pairs of some embeddings of any length."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return auc(*pairs_of(unit, whose))


def best_ridge(vectors: Floats, whose: Indices) -> tuple[float, float, float]:
    """Choose the ridge by what one half of the people tells of the other.

    Returns:
        The ridge; the AUC of the other half as it is, and weighed so.
    """
    half = np.median(np.unique(whose))
    first, second = whose <= half, whose > half
    of = spread(vectors[first], whose[first])
    others, names = vectors[second], whose[second]
    found = [(apart(others @ mixture(of, ridge).T, names), ridge) for ridge in _RIDGES]
    best, ridge = max(found)
    return ridge, apart(others, names), best


def weigh(net: Embedder, vectors: Floats, whose: Indices, ridge: float) -> None:
    """Put the weights behind a network's embedding, in place."""
    assert isinstance(net.weigh, nn.Linear)
    found = turned(mixture(spread(vectors, whose), ridge))
    with torch.no_grad():
        net.weigh.weight.copy_(torch.from_numpy(found))


def main() -> None:
    """Weigh the averaged network of the checkpoint; training that goes on begins unweighed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeded(1)
    path = data_folder() / CHECKPOINT
    state = needed_checkpoint(parser, path, "embedder.train")
    pictures = needed_pictures(parser, "strangers")
    net = unweighed(of_state(state["average"])).eval()
    vectors = np.concatenate([embedded(net, pictures, pictures.ready, v) for v in _VIEWS])
    whose = np.tile(pictures.store.plan.faces[pictures.ready], len(_VIEWS))
    ridge, before, after = best_ridge(vectors, whose)
    weigh(net, vectors, whose, ridge)
    state["average"] = net.state_dict()
    save_checkpoint(path, **state)
    Console().print(f"AUC of strangers, worn: {before:.4f}; weighed (ridge {ridge:g}): {after:.4f}")


if __name__ == "__main__":
    main()
