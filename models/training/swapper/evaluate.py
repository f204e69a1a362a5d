"""Judge a swapper on held-out pairs, against exact ground truth: `scripts/train swapper.evaluate`.

It judges the exported model of a size, or any file with `--model`, and draws a sheet of target,
source, output, ground truth and mask.
"""

from __future__ import annotations

import argparse
import json
from functools import lru_cache
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from rich.console import Console
from skimage.metrics import structural_similarity

from edge.backends import open_session
from edge.cards import load_card
from edge.faces.landmarks import Landmarker
from edge.records import Face
from models.training.crops import TEMPLATES, Floats, Pixels, between, warp
from models.training.embedder.data import TEMPLATE as EMBEDDER_TEMPLATE
from models.training.embedder.data import to_input
from models.training.embedder.evaluate import exported as exported_embedder
from models.training.embedder.net import SIZE as EMBEDDER_SIZE
from models.training.on_device import eye_distances
from models.training.pairs import CROPS
from models.training.runs import CARDS, LOGS, WEIGHTS, data_folder
from models.training.swapper.data import TEMPLATE, from_unit, to_unit
from models.training.swapper.files import model_name
from models.training.swapper.flicker import flicker, video
from models.training.swapper.judged import Case, Places, Swap, held_out_cases
from models.training.swapper.judged import exported as exported

Row = dict[str, float]


def psnr(first: Pixels, second: Pixels, where: Places) -> float:
    """PSNR in dB over the chosen pixels of two uint8 pictures."""
    error = (first.astype(np.float64) - second)[where]
    return float(10 * np.log10(255.0**2 / max(float((error**2).mean()), 1e-9)))


def ssim(first: Pixels, second: Pixels, where: Places) -> float:
    """Structural similarity in the chosen pixels of two uint8 pictures, 1 for equal ones.

    The mean over them of the map of Wang et al. 2004: Gaussian windows of 11 pixels, sigma 1.5.
    """
    _, found = structural_similarity(
        first, second, channel_axis=2, data_range=255, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    return float(found[where].mean())


def detail(picture: Pixels, where: Places) -> float:
    """How much fine detail the chosen pixels of a uint8 picture hold, in steps of 8 bits.

    The standard deviation of what a blur of one 128th of the side takes away, on the grey picture:
    pores, hairs, lashes and the edges of lids.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), picture.shape[0] / 128)
    return float(fine[where].std())


def colourless(picture: Pixels) -> Pixels:
    """The same picture, uint8 (H, W, 3) BGR, in shades of grey."""
    return cast(Pixels, cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))


def chroma(picture: Pixels, where: Places) -> float:
    """How colourful the chosen pixels of a uint8 picture are: mean chroma in CIELAB, grey is 0."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    return float(np.hypot(lab[..., 1], lab[..., 2])[where].mean())


@lru_cache(maxsize=1)
def _landmarker() -> Landmarker:
    card = load_card(CARDS / "ref_landmarker.toml")
    return Landmarker(card, open_session(WEIGHTS / card.file, threads=1))


def landmarks_in(crop: Pixels) -> Floats:
    """Where the shipped landmarker sees the five points in an aligned crop, float32 (5, 2)."""
    points = TEMPLATES[TEMPLATE] * crop.shape[0]
    low, high = points.min(axis=0), points.max(axis=0)
    box = (*(2 * low - high), *(3 * (high - low)))
    face = Face(tuple(float(v) for v in box), 1.0, points.astype(np.float32))  # type: ignore[arg-type]
    return _landmarker().place(crop, face).landmarks


def apart(first: Floats, second: Floats, reach: float) -> float:
    """Mean distance of five points from others, in eye distances `reach`."""
    return float(np.linalg.norm(first - second, axis=1).mean() / reach)


def _row(case: Case, swap: Swap) -> Row:
    embed, size = exported_embedder(), case.target.shape[0]
    matrix = between(TEMPLATE, size, EMBEDDER_TEMPLATE, EMBEDDER_SIZE)
    picture, _ = swap(to_unit(case.target).numpy(), case.source)
    output = from_unit(picture)
    film, _ = swap(to_unit(colourless(case.target)).numpy(), case.source)
    crops = [warp(p, matrix, EMBEDDER_SIZE) for p in (output, case.truth, case.target)]
    got, true, before = embed(np.stack([to_input(c).numpy() for c in crops]))
    points = [landmarks_in(p) for p in (output, case.truth, case.target)]
    reach = float(eye_distances(points[2][None])[0])
    return {
        "psnr": psnr(output, case.truth, case.face),
        "psnr_unswapped": psnr(case.target, case.truth, case.face),
        "psnr_crop": psnr(output, case.truth, np.ones_like(case.face)),
        "ssim": ssim(output, case.truth, case.face),
        "ssim_unswapped": ssim(case.target, case.truth, case.face),
        "nearer_source": float(got @ case.source > got @ case.own),
        "nearer_source_strict": float(got @ case.source > got @ before),
        "cosine_source": float(got @ case.source),
        "cosine_source_of_truth": float(true @ case.source),
        "cosine_target": float(got @ case.own),
        "cosine_truth": float(got @ true),
        "landmarks": apart(points[0], points[2], reach),
        "landmarks_of_truth": apart(points[1], points[2], reach),
        "landmarks_to_truth": apart(points[0], points[1], reach),
        "detail": detail(output, case.face) / max(detail(case.truth, case.face), 1e-6),
        "grey_tint": chroma(from_unit(film), case.face),
    }


def rows_of(swap: Swap, pairs: int = 240, size: int = 128) -> list[Row]:
    """The figures of each pair; identity is judged by the exported recogniser on the uint8 output.

    `nearer_source` compares the output with the photos of source and target person;
    `nearer_source_strict` with the source's photos and the target picture itself, which shares
    pose, light and head with the output. `landmarks` are those of the output against the target's,
    both as the shipped landmarker sees them; `landmarks_of_truth` says how far the source's own
    face is from the target's, which an exact swap shows. `detail` is that of the output as a part
    of the truth's: 1 is as crisp as rendered. `grey_tint` is the chroma of the output where the
    target has no colours: a swap of a black-and-white picture has none either.
    """
    return [_row(case, swap) for case in held_out_cases(size)[:pairs]]


def measure(swap: Swap, size: int = 128, pairs: int = 240) -> Row:
    """The bars' figures but flicker: means over the pairs, and the PSNR that nine of ten exceed.

    `cosine_share` is the mean cosine to the source as a part of what the truth itself reaches.
    """
    rows = rows_of(swap, pairs, size)
    out = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    out["psnr_worst_tenth"] = float(np.quantile([row["psnr"] for row in rows], 0.1))
    out["cosine_share"] = out["cosine_source"] / max(out["cosine_source_of_truth"], 1e-6)
    return out


def judged(swap: Swap, size: int, pairs: int) -> Row:
    """All figures of a swapper: on held-out pairs, and its flicker in the sample video."""
    return {"pairs": pairs, **measure(swap, size, pairs), **flicker(swap, video(size))}


def sheet(
    swap: Swap, size: int, path: Path, first: int = 0, rows: int = 12, scale: float = 1.5
) -> None:
    """Draw target | source photo | output | ground truth | mask, two cases per row."""
    strips = []
    for case in held_out_cases(size)[first : first + 2 * rows]:
        picture, mask = swap(to_unit(case.target).numpy(), case.source)
        photo = cv2.resize(case.photo, (size, size))
        grey = cv2.cvtColor((mask[0] * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
        strips.append(np.hstack([case.target, photo, from_unit(picture), case.truth, grey]))
    page = np.vstack([np.hstack(strips[i : i + 2]) for i in range(0, len(strips) - 1, 2)])
    path.parent.mkdir(parents=True, exist_ok=True)
    scale *= 128 / size
    big = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), big)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--size", type=int, choices=CROPS, default=128)
    parser.add_argument("--model", type=Path, help="an ONNX file, in place of the shipped one")
    parser.add_argument("--sheet", type=Path, default=data_folder() / "sheets" / "exported.png")
    options = parser.parse_args()
    swap = exported(options.size, options.model)
    result = judged(swap, options.size, options.pairs)
    if options.model is None:
        name = model_name(options.size).removeprefix("ref_")
        (LOGS / f"{name}_metrics.json").write_text(json.dumps(result, indent=2) + "\n")
    sheet(swap, options.size, options.sheet)
    Console().print(result)


if __name__ == "__main__":
    main()
