"""Turn a swapper that learned from traits over to embeddings: `python -m ...swapper.adopt`.

A ridge regression reads the traits from the recogniser's embeddings; folded into the swapper's
first linear layer, it lets training go on from embeddings without starting over.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from models.training.pairs import Store
from models.training.runs import data_folder, load_checkpoint, save_checkpoint
from models.training.swapper.data import Sources
from models.training.swapper.sources import make_bank
from models.training.traits import trait_table

Doubles = npt.NDArray[np.float64]


def enrolments(sources: Sources, rounds: int = 4) -> tuple[Doubles, Doubles]:
    """Source embeddings as training draws them, float64 (N, 512), and their faces' traits."""
    rng = np.random.default_rng(21)
    table = trait_table(int(sources.faces.max()) + 1)
    firsts = [int(views[0]) for views in sources.views.values()]
    drawn = [sources.draw(i, rng) for _ in range(rounds) for i in firsts]
    traits = np.concatenate([table[sources.faces[firsts]]] * rounds)
    return np.asarray(drawn, np.float64), traits.astype(np.float64)


def ridge(inputs: Doubles, goals: Doubles, strength: float = 1e-3) -> tuple[Doubles, Doubles]:
    """Matrix (in, out) and offset (out,) that map inputs to goals with least squared error."""
    centre, middle = inputs.mean(axis=0), goals.mean(axis=0)
    x, y = inputs - centre, goals - middle
    gram = x.T @ x + strength * len(x) / x.shape[1] * np.eye(x.shape[1])
    matrix = np.linalg.solve(gram, x.T @ y)
    return matrix, middle - centre @ matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = data_folder() / "swapper.pt"
    state = load_checkpoint(path)
    if state is None:
        raise FileNotFoundError("train from traits first: models.training.swapper.train --traits")
    inputs, goals = enrolments(make_bank(Store("train"), options.workers))
    matrix, offset = ridge(inputs, goals)
    error = goals - (inputs @ matrix + offset)
    Console().print(f"traits explained: {1 - error.var() / goals.var():.3f}")
    # The layer sees its input times sqrt(512); traits were fed divided by that.
    reads = torch.from_numpy(matrix.T / matrix.shape[0] ** 0.5).float()
    shift = torch.from_numpy(offset).float()
    for name in ("net", "average"):
        weight = state[name]["mapping.linear.weight"][:, : len(reads)].clone()
        state[name]["mapping.linear.bias"] += weight @ shift
        state[name]["mapping.linear.weight"] = weight @ reads
    del state["optimiser"]  # its moments of the first layer mean nothing now
    save_checkpoint(path, **state)


if __name__ == "__main__":
    main()
