"""Sources: what the frozen recogniser says of every stored picture, and enrolments drawn from it.

The embeddings lie beside the pictures, so that each picture is embedded once. Where no recogniser
was trained here, the shipped one serves.
"""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from models.training.crops import Floats
from models.training.embedder.data import embedded
from models.training.embedder.net import CHECKPOINT, LENGTH, Embedder, folded, of_state
from models.training.on_device import Pictures
from models.training.pairs import Indices, Store
from models.training.runs import WEIGHTS, data_folder, load_checkpoint

VERSIONS = 2
"""Of each picture: as it is, and worn."""

_MOST_PHOTOS = 4


def frozen_embedder() -> Embedder:
    """The recogniser that was trained here, or else the shipped one; folded, without gradients."""
    state = load_checkpoint(data_folder() / CHECKPOINT)
    if state is not None:
        return folded(of_state(state["average"])).to(memory_format=torch.channels_last)
    graph = onnx.load(str(WEIGHTS / "ref_embedder.onnx")).graph
    shipped = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    still = folded(Embedder(shipped["project.weight"].shape[1]))
    still.load_state_dict({name: shipped[name] for name in still.state_dict()})
    return still.to(memory_format=torch.channels_last)


class Sources:
    """Embeddings of a store's pictures, grouped by face part.

    Args:
        store: the pictures.
        bank: float32 (V, N, 512) unit embeddings of V versions of each picture.
        indices: int64 (R,) the pictures that have one.
    """

    def __init__(self, store: Store, bank: Floats, indices: Indices) -> None:
        self.bank, self.indices = bank, indices
        self.faces, self.group = store.plan.faces, store.plan.group
        order = indices[np.argsort(self.faces[indices], kind="stable")]
        names, starts, counts = np.unique(self.faces[order], return_index=True, return_counts=True)
        most = int(self.faces.max()) + 1
        self.counts = np.zeros(most, np.int64)
        self.counts[names] = counts
        self.views = np.zeros((most, max(1, int(counts.max(initial=1)))), np.int64)
        for name, start, count in zip(names, starts, counts, strict=True):
            self.views[name, :count] = order[start : start + count]
        self.centres = np.zeros((most, LENGTH), np.float32)
        for name, count in zip(names, counts, strict=True):
            mean = bank[0, self.views[name, :count]].mean(axis=0)
            self.centres[name] = mean / max(float(np.linalg.norm(mean)), 1e-6)

    def draw(
        self, faces: Indices, rng: np.random.Generator, scenes: Indices | None = None
    ) -> Floats:
        """Sources as enrolment makes them: the mean of one to four photos, float32 (B, 512).

        Args:
            faces: int64 (B,) whose; each has a picture here.
            rng: source of all chance.
            scenes: int64 (B,) group of pictures that no photo is taken from, where there are
                others: an enrolment photo never shows the very scene of the target.
        """
        views, counts = self.views[faces], self.counts[faces]
        order = rng.random(views.shape)
        order[np.arange(views.shape[1])[None] >= counts[:, None]] = 9.0
        if scenes is not None:
            order[(views // self.group == scenes[:, None]) & (order < 9.0)] += 4.0
        first = np.argsort(order, axis=1)[:, :_MOST_PHOTOS]
        chosen = np.take_along_axis(views, first, axis=1)
        rank = np.take_along_axis(order, first, axis=1)
        photos = rng.integers(1, _MOST_PHOTOS + 1, len(faces))
        taken = (np.arange(chosen.shape[1])[None] < photos[:, None]) & (rank < 4.0)
        taken[:, 0] = True
        version = rng.integers(0, len(self.bank), chosen.shape)
        mean = (self.bank[version, chosen] * taken[..., None]).sum(axis=1)
        out: Floats = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
        return out


def fingerprint(net: Embedder) -> str:
    """What tells a recogniser from another: a hash of its weights."""
    digest = hashlib.sha256()
    for value in net.state_dict().values():
        digest.update(np.ascontiguousarray(value.cpu().numpy()).tobytes())
    return digest.hexdigest()


def make_bank(pictures: Pictures) -> Sources:
    """Embed what has no embedding yet, keep it on disk, and group it.

    Another recogniser begins anew: embeddings of two of them have nothing in common.
    """
    store, net = pictures.store, frozen_embedder()
    path, maker = store.folder / "bank.npy", store.folder / "bank.txt"
    shape, name = (VERSIONS, len(store.done), LENGTH), fingerprint(net)
    same = path.exists() and maker.exists() and maker.read_text() == name
    bank = np.load(path) if same else np.zeros(shape, dtype=np.float32)
    ready = pictures.ready
    todo = ready[np.abs(bank[0, ready]).sum(axis=1) == 0]
    if len(todo):
        net = net.to(pictures.device)
        for version in range(VERSIONS):
            bank[version, todo] = embedded(net, pictures, todo, version)
        part = path.with_suffix(".part.npy")
        np.save(part, bank)
        maker.unlink(missing_ok=True)
        part.replace(path)
        maker.write_text(name)
    return Sources(store, bank, ready)
