"""The bank of source embeddings: what the frozen recogniser says of every stored picture.

Run `python -m models.training.swapper.sources`. Where no recogniser was trained, the shipped one
serves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from models.training.crops import Floats
from models.training.embedder.data import to_input, view
from models.training.embedder.evaluate import exported
from models.training.embedder.net import LENGTH, Embedder, folded
from models.training.pairs import Indices, Store
from models.training.runs import data_folder, load_checkpoint
from models.training.swapper.data import Sources

VERSIONS = 2


def frozen_embedder() -> Embedder:
    """The trained recogniser, folded and without gradients of its own."""
    state = load_checkpoint(data_folder() / "embedder.pt")
    if state is None:
        raise FileNotFoundError("train the recogniser first: models.training.embedder.train")
    net = Embedder()
    net.load_state_dict(state["average"])
    still: Embedder = folded(net).to(memory_format=torch.channels_last)
    return still


def bank_embedder() -> Callable[[torch.Tensor], Floats]:
    """What embeds crops, float32 (N, 3, 112, 112) to (N, 512).

    The trained recogniser, or the exported one that is shipped where none was trained here: who
    wants sources alone need not train for hours.
    """
    if (data_folder() / "embedder.pt").exists():
        net = frozen_embedder()

        def trained(crops: torch.Tensor) -> Floats:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out: Floats = net(crops.to(memory_format=torch.channels_last)).float().numpy()
            return out

        return trained
    embed = exported()
    return lambda crops: embed(crops.numpy())


class _Crops(Dataset[torch.Tensor]):
    def __init__(self, store: Store, indices: Indices, version: int) -> None:
        self.store, self.indices, self.version = store, indices, version

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> torch.Tensor:
        index = int(self.indices[item])
        rng = np.random.default_rng((self.version, 31, index))
        return to_input(view(self.store, index, rng, hard=self.version > 0))


@torch.no_grad()
def embed_store(store: Store, indices: Indices, version: int, workers: int) -> Floats:
    """Embeddings of some pictures, float32 (len(indices), 512); version 0 is unworn."""
    embed = bank_embedder()
    loader = DataLoader(_Crops(store, indices, version), 256, num_workers=workers)
    return np.concatenate([embed(crops) for crops in track(loader, f"{store.name} {version}")])


def make_bank(store: Store, workers: int = 2) -> Sources:
    """Embed what has no embedding yet, keep it on disk, and group it."""
    folder = store.folder
    path = folder / "bank.npy"
    shape = (VERSIONS, len(store.done), LENGTH)
    bank = np.load(path) if path.exists() else np.zeros(shape, dtype=np.float32)
    ready = store.ready()
    todo = ready[np.abs(bank[0, ready]).sum(axis=1) == 0]
    if len(todo):
        for version in range(VERSIONS):
            bank[version, todo] = embed_store(store, todo, version, workers)
        np.save(path, bank)
    return Sources(store, bank, ready)


if __name__ == "__main__":
    make_bank(Store("train"), workers=4)
