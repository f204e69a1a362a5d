"""Verification on held-out identities: does the recogniser tell face parts apart?

Run `python -m models.training.embedder.evaluate` to judge the exported model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from models.training.crops import Floats, crop_matrix, jittered, warp
from models.training.embedder.data import TEMPLATE, to_input
from models.training.embedder.net import SIZE, Embedder
from models.training.faces.scene import sample_scene
from models.training.pairs import Indices, Store
from models.training.photometric import sample_photometric
from models.training.runs import LOGS, WEIGHTS

STRANGERS = 0.01
"""Of the pairs of strangers: so many may count as one person, by the threshold of the card."""

Places = npt.NDArray[np.bool_]
Embed = Callable[[Floats], Floats]


def held_out_crops(identities: int, worn: bool) -> tuple[Floats, Indices, Places]:
    """Crops of held-out photos with landmarks as a detector makes them (sd 2.5 %).

    Args:
        identities: how many.
        worn: with the photometric wear of training as well.

    Returns:
        float32 (N, 3, 112, 112) RGB in [-1, 1]; the identity number of each; and bool (N,), whether
        nothing stands before the face.
    """
    store = Store("photos")
    ready = store.ready()
    faces = store.plan.faces[ready]
    ready = ready[faces < np.unique(faces)[min(identities, len(np.unique(faces))) - 1] + 1]
    crops = []
    for i in ready:
        rng = np.random.default_rng((99, int(i)))
        landmarks = jittered(store.landmarks[i], 0.025, rng)
        crop = warp(store.pictures[i], crop_matrix(landmarks, TEMPLATE, SIZE), SIZE)
        crops.append(to_input(sample_photometric(rng)(crop) if worn else crop).numpy())
    clear = [not sample_scene(int(seed)).occluders for seed in store.plan.scenes[ready]]
    return np.stack(crops), store.plan.faces[ready], np.array(clear)


def auc(same: Floats, other: Floats) -> float:
    """Area under the ROC: the chance that a same pair scores above a different one."""
    order = np.sort(other)
    below = np.searchsorted(order, same, "left") + np.searchsorted(order, same, "right")
    return float(below.mean() / (2 * len(order)))


def pairs_of(embeddings: Floats, labels: Indices) -> tuple[Floats, Floats]:
    """The cosines of every pair of pictures: of one person's, and of two people's."""
    upper = np.triu_indices(len(labels), 1)
    cosines = (embeddings @ embeddings.T)[upper]
    alike = (labels[:, None] == labels[None])[upper]
    return cosines[alike], cosines[~alike]


def scores(embeddings: Floats, labels: Indices) -> dict[str, float]:
    """AUC, TAR at 1 % and 0.1 % FAR and the cosine there, over every pair of the pictures."""
    same, other = pairs_of(embeddings, labels)
    return {
        "auc": auc(same, other),
        "tar_at_far_1e2": float((same > np.quantile(other, 0.99)).mean()),
        "tar_at_far_1e3": float((same > np.quantile(other, 0.999)).mean()),
        "cosine_at_far_1e3": float(np.quantile(other, 0.999)),
        "same_cosine": float(same.mean()),
        "other_cosine": float(other.mean()),
    }


def nearest_share(first: Floats, second: Floats) -> float:
    """How often a person's second view is nearer to the first than any other person's is.

    Args:
        first: float32 (N, 512), a view of each person.
        second: float32 (N, 512), another view of each, in the same order.
    """
    return float(((first @ second.T).argmax(axis=1) == np.arange(len(first))).mean())


def crowd_crops() -> Floats:
    """Two views each of many people as cameras give them, float32 (2 N, 3, 112, 112) in [-1, 1].

    The scenes have their own blur, noise and JPEG; colour, grey, low resolution and more of those
    are laid on top.
    """
    store = Store("crowd")
    crops = []
    for i in range(len(store.done)):
        rng = np.random.default_rng((96, i))
        landmarks = jittered(store.landmarks[i], 0.025, rng)
        crop = warp(store.pictures[i], crop_matrix(landmarks, TEMPLATE, SIZE), SIZE)
        crops.append(to_input(sample_photometric(rng)(crop)).numpy())
    return np.stack(crops)


def _in_parts(embed: Embed, crops: Floats) -> Floats:
    return np.concatenate([embed(crops[i : i + 64]) for i in range(0, len(crops), 64)])


def crowd_vectors(embed: Embed) -> Floats:
    """Embeddings of the crowd, float32 (2 N, 512): each person's two views in a row."""
    return _in_parts(embed, crowd_crops())


def among_others(embed: Embed) -> dict[str, float]:
    """How often two views of a person are nearer to each other than to any of 500 others."""
    vectors = crowd_vectors(embed)
    return {"nearest_of_500": nearest_share(vectors[::2], vectors[1::2])}


def strangers_limit(vectors: Floats, share: float = STRANGERS) -> float:
    """The cosine that a share of all pairs of strangers reaches.

    Args:
        vectors: float32 (2 N, 512), two views of each person, one behind the other.
        share: of the pairs.
    """
    cosines = vectors @ vectors.T
    whose = np.arange(len(vectors)) // 2
    strangers = cosines[whose[:, None] < whose[None]]
    return float(np.quantile(strangers, 1.0 - share))


def judged(embed: Embed, identities: int) -> dict[str, float]:
    """Scores across pose, light and head; then with occluders too; then worn as in training.

    The first set leaves out faces that a hand, a mask or the like covers in part (one in eight).
    """
    out: dict[str, float] = {}
    for worn in (False, True):
        crops, labels, clear = held_out_crops(identities, worn)
        vectors = _in_parts(embed, crops)
        every = np.ones_like(clear)
        sets = [("worn_", every)] if worn else [("", clear), ("occluded_", every)]
        for name, some in sets:
            result = scores(vectors[some], labels[some])
            out |= {name + key: value for key, value in result.items()}
    return out


@torch.no_grad()
def verification(net: Embedder, identities: int = 240) -> dict[str, float]:
    """Scores of a network in training."""
    net.eval()
    device = next(net.parameters()).device
    return judged(lambda x: net(torch.from_numpy(x).to(device)).cpu().numpy(), identities)


def exported(path: Path | None = None) -> Embed:
    """The exported model as a function, batch by batch of one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path or WEIGHTS / "ref_embedder.onnx"), options, providers=["CPUExecutionProvider"]
    )

    def embed(crops: Floats) -> Floats:
        return np.concatenate([session.run(None, {"input": crop[None]})[0] for crop in crops])

    return embed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=240)
    options = parser.parse_args()
    embed = exported()
    result = {"identities": options.identities, **judged(embed, options.identities)}
    result |= among_others(embed)
    (LOGS / "embedder_metrics.json").write_text(json.dumps(result, indent=2) + "\n")
    Console().print(result)


if __name__ == "__main__":
    main()
