"""Judge a swapper on held-out pairs, against exact ground truth.

Run `python -m models.training.swapper.evaluate` to judge the exported model; it also draws a sheet
of target, source, output, ground truth and mask.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from models.training.crops import Floats, Pixels, between, crop_matrix, jittered, warp
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.data import to_input
from models.training.embedder.evaluate import exported as exported_embedder
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.pairs import Store
from models.training.runs import LOGS, WEIGHTS, data_folder
from models.training.swapper.data import TEMPLATE, cut_pair, from_unit, to_unit, unit
from models.training.swapper.net import SIZE, Swapper

Places = npt.NDArray[np.bool_]
Swap = Callable[[Floats, Floats], tuple[Floats, Floats]]
PHOTOS = 4  # enrolment photos per source: a held-out identity's first views, on its own head


@dataclass(frozen=True, slots=True)
class Case:
    """One held-out swap.

    Attributes:
        target: uint8 (128, 128, 3) BGR.
        truth: uint8 (128, 128, 3) BGR.
        face: bool (128, 128), where the swapped face is seen.
        source: float32 (512,) embedding of the source's photos.
        own: float32 (512,) embedding of the target person's photos.
        photo: uint8 (112, 112, 3) BGR, one photo of the source.
    """

    target: Pixels
    truth: Pixels
    face: Places
    source: Floats
    own: Floats
    photo: Pixels


def _photo(store: Store, index: int) -> Pixels:
    rng = np.random.default_rng((98, index))
    landmarks = jittered(store.landmarks[index], 0.02, rng)
    matrix = crop_matrix(landmarks, EMBEDDER_TEMPLATE, EMBEDDER_SIZE)
    return warp(store.pictures[index], matrix, EMBEDDER_SIZE)


@lru_cache(maxsize=1)
def held_out_cases() -> list[Case]:
    """Every held-out pair, with the sources' embeddings from the exported recogniser."""
    photos, swaps = Store("photos"), Store("swaps")
    embed = exported_embedder()
    people: dict[int, tuple[Floats, Pixels]] = {}
    for face in np.unique(swaps.plan.faces).tolist():
        own = np.flatnonzero(photos.plan.faces == face)[:PHOTOS].tolist()
        crops = [_photo(photos, i) for i in own]
        mean = embed(np.stack([to_input(crop).numpy() for crop in crops])).mean(axis=0)
        people[face] = (unit(mean), crops[0])
    cases = []
    for first in range(0, len(swaps.done), 2):
        rng = np.random.default_rng((97, first))
        landmarks = jittered(swaps.landmarks[first], 0.015, rng)
        pair = cut_pair(swaps, first, first + 1, crop_matrix(landmarks, TEMPLATE, SIZE))
        source, photo = people[int(swaps.plan.faces[first + 1])]
        own, _ = people[int(swaps.plan.faces[first])]
        cases.append(Case(pair.target, pair.truth, pair.face > 127, source, own, photo))
    return cases


def psnr(first: Pixels, second: Pixels, where: Places) -> float:
    """PSNR in dB over the chosen pixels of two uint8 pictures."""
    error = (first.astype(np.float64) - second)[where]
    return float(10 * np.log10(255.0**2 / max(float((error**2).mean()), 1e-9)))


def rows_of(swap: Swap, pairs: int = 240) -> list[dict[str, float]]:
    """The figures of each pair; identity is judged by the exported recogniser on the uint8 output.

    `nearer_source` compares the output with the photos of source and target person;
    `nearer_source_strict` with the source's photos and the target picture itself, which shares
    pose, light and head with the output.
    """
    embed = exported_embedder()
    matrix = between(TEMPLATE, SIZE, EMBEDDER_TEMPLATE, EMBEDDER_SIZE)
    rows = []
    for case in held_out_cases()[:pairs]:
        picture, mask = swap(to_unit(case.target).numpy(), case.source)
        output = from_unit(picture)
        crops = [warp(p, matrix, EMBEDDER_SIZE) for p in (output, case.truth, case.target)]
        got, true, before = embed(np.stack([to_input(c).numpy() for c in crops]))
        rows.append(
            {
                "psnr": psnr(output, case.truth, case.face),
                "psnr_unswapped": psnr(case.target, case.truth, case.face),
                "psnr_crop": psnr(output, case.truth, np.ones_like(case.face)),
                "nearer_source": float(got @ case.source > got @ case.own),
                "nearer_source_strict": float(got @ case.source > got @ before),
                "cosine_source": float(got @ case.source),
                "cosine_source_of_truth": float(true @ case.source),
                "cosine_target": float(got @ case.own),
                "cosine_truth": float(got @ true),
                "mask_iou": _overlap(mask[0] > 0.5, case.face),
            }
        )
    return rows


def measure(swap: Swap, pairs: int = 240) -> dict[str, float]:
    """The bars' figures: means over the pairs, and the PSNR that nine of ten exceed."""
    rows = rows_of(swap, pairs)
    out = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    out["psnr_worst_tenth"] = float(np.quantile([row["psnr"] for row in rows], 0.1))
    return out


def _overlap(first: Places, second: Places) -> float:
    return float((first & second).sum() / max(int((first | second).sum()), 1))


def of_network(net: Swapper) -> Swap:
    """A network in training as a function on single crops."""
    net.eval()

    @torch.no_grad()
    def swap(target: Floats, source: Floats) -> tuple[Floats, Floats]:
        picture, mask = net(torch.from_numpy(target)[None], torch.from_numpy(source)[None])
        return picture[0].numpy(), mask[0].numpy()

    return swap


def exported(path: Path | None = None) -> Swap:
    """The exported model as a function on single crops."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path or WEIGHTS / "ref_swapper.onnx"), options, providers=["CPUExecutionProvider"]
    )

    def swap(target: Floats, source: Floats) -> tuple[Floats, Floats]:
        feed = {"target": target[None], "source": source[None]}
        picture, mask = session.run(["output", "mask"], feed)
        return picture[0], mask[0]

    return swap


def sheet(swap: Swap, path: Path, first: int = 0, rows: int = 12, scale: float = 1.5) -> None:
    """Draw target | source photo | output | ground truth | mask, two cases per row."""
    strips = []
    for case in held_out_cases()[first : first + 2 * rows]:
        picture, mask = swap(to_unit(case.target).numpy(), case.source)
        photo = cv2.resize(case.photo, (SIZE, SIZE))
        grey = cv2.cvtColor((mask[0] * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
        strips.append(np.hstack([case.target, photo, from_unit(picture), case.truth, grey]))
    page = np.vstack([np.hstack(strips[i : i + 2]) for i in range(0, len(strips) - 1, 2)])
    path.parent.mkdir(parents=True, exist_ok=True)
    big = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), big)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--sheet", type=Path, default=data_folder() / "sheets" / "exported.png")
    options = parser.parse_args()
    result = {"pairs": options.pairs, **measure(exported(), options.pairs)}
    (LOGS / "swapper_metrics.json").write_text(json.dumps(result, indent=2) + "\n")
    sheet(exported(), options.sheet)
    Console().print(result)


if __name__ == "__main__":
    main()
