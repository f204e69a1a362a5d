"""How the reference models treat different people: by skin tone, sex, age and build.

Run `scripts/train fairness`: it renders what is missing of the held-out people, measures the
exported files, prints a table for each model and writes `logs/fairness_metrics.json`. `--only`
measures one model anew and leaves the others' figures as they are.

The people are rendered, and what tells them apart is what the renderer was told: its melanin, and
not a photograph's. The tables say whether training favoured a group among faces of nobody; nothing
here says how the models treat people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from edge.cards import load_card
from models.training import pairs
from models.training.crops import Floats, Pixels
from models.training.detector.evaluate import Judged, Looker, judge, opened
from models.training.embedder import evaluate as embedder
from models.training.embedder.evaluate import auc
from models.training.faces.background import background
from models.training.faces.camera import develop
from models.training.faces.identity import sample_identity, sex_of
from models.training.faces.render import render_onto
from models.training.faces.scene import sample_scene
from models.training.folders import CARDS, LOGS, WEIGHTS
from models.training.fresh import FRESH
from models.training.pairs import HELD_OUT, Store
from models.training.swapper import evaluate as swapper
from models.training.swapper.files import model_name

FIRST = HELD_OUT + 400_000
"""Seed of the first person that the detector is measured on; no other set has them."""

DETECTORS = ("ref_detector", "ref_detector_int8")
SWAPPERS = {model_name(size): size for size in pairs.CROPS}
MODELS = (*DETECTORS, "ref_embedder", *SWAPPERS)
"""The detector is measured with its landmarker."""

FRAME = 320
SMALLEST, LARGEST = 24.0, 200.0  # forehead to chin, in pixels of the frame
TONES = 6
_RESAMPLES = 300
_SURE = 1.96  # standard errors on either side: 95 %

Doubles = npt.NDArray[np.float64]


@lru_cache(maxsize=8192)
def groups_of(seed: int) -> dict[str, str]:
    """The groups that a person of nobody belongs to, by what they are groups of."""
    person = sample_identity(seed)
    tone = min(int(person.head.melanin * TONES), TONES - 1) + 1
    fullness = person.face.cheek_full + person.face.jaw_full + person.head.cheek_width
    age = person.face.age
    return {
        "tone": f"{tone}" + {1: " (lightest)", TONES: " (darkest)"}.get(tone, ""),
        "sex": "female" if sex_of(seed) < 0 else "male",
        "age": "young" if age < 1 / 3 else "middle" if age < 2 / 3 else "old",
        "build": "narrow" if fullness < -1 else "full" if fullness > 1 else "middle",
    }


KINDS = ("tone", "sex", "age", "build")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one group, with the interval that holds it with 95 % certainty."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one group.

    Attributes:
        kind: what it is a group of: tone, sex, age, build, or everybody.
        group: its name.
        count: people, or pairs of a target and a source.
        figures: by their names.
    """

    kind: str
    group: str
    count: int
    figures: dict[str, Figure]


def share(hits: Sequence[bool]) -> Figure:
    """A share with Wilson's interval, which holds near 0 and 1 too."""
    n, z = len(hits), _SURE
    p = sum(hits) / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return Figure(p, max(0.0, middle - half), min(1.0, middle + half))


def mean(values: Sequence[float]) -> Figure:
    """A mean, and what its standard error leaves open."""
    array = np.asarray(values, np.float64)
    half = _SURE * float(array.std(ddof=1)) / len(array) ** 0.5 if len(array) > 1 else float("nan")
    return Figure(float(array.mean()), float(array.mean()) - half, float(array.mean()) + half)


def by_group(
    seeds: Sequence[int], figures: Callable[[list[int]], dict[str, Figure]], least: int = 8
) -> list[Row]:
    """Measure everybody, then each group of each kind that has members enough.

    Args:
        seeds: of the people, in the order of what was measured.
        figures: the figures of some of them, told by their places.
        least: members that a group must have.
    """
    rows = [Row("everybody", "", len(seeds), figures(list(range(len(seeds)))))]
    for kind in KINDS:
        names = [groups_of(int(seed))[kind] for seed in seeds]
        for name in sorted(set(names), key=_order):
            places = [place for place, own in enumerate(names) if own == name]
            if len(places) >= least:
                rows.append(Row(kind, name, len(places), figures(places)))
    return rows


def _order(name: str) -> tuple[int, str]:
    ranks = ("female", "male", "young", "narrow", "middle", "full", "old")
    return (ranks.index(name) if name in ranks else -1, name)


def portrait(number: int) -> tuple[Pixels, Floats, Floats]:
    """One held-out person in a frame: see `portrait_of`."""
    return portrait_of(FIRST + number, number)


def portrait_of(seed: int, number: int) -> tuple[Pixels, Floats, Floats]:
    """One person in a frame, their face of 24 to 200 pixels anywhere in it.

    Args:
        seed: of the person and of the scene.
        number: which portrait: the face's size and place hang on it.

    Returns:
        Picture uint8 (320, 320, 3) BGR, box float32 (1, 4), landmarks float32 (1, 5, 2).
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng((41, number))
    height = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    room = min(0.75 * height, FRAME / 2)
    across, down = rng.uniform(room, FRAME - room, 2).tolist() if room < FRAME / 2 else (160.0,) * 2
    scene = sample_scene(seed)
    ground = background(FRAME, FRAME, scene.background.seed, scene.background.kind)
    drawn = render_onto(ground, sample_identity(seed), scene, (across, down), height)
    picture = develop(drawn.picture.astype(np.float32), scene.camera, seed)
    return picture, drawn.box[None], drawn.landmarks[None]


def detector_rows(name: str, people: int, workers: int) -> list[Row]:
    """Recall and landmark error of detector and landmarker, as the runtime runs them."""
    looker = Looker(opened(WEIGHTS / f"{name}.onnx"))
    judged: list[Judged] = []
    with ProcessPoolExecutor(workers, mp_context=FRESH) as pool:
        shots = pool.map(portrait, range(people), chunksize=20)
        for picture, boxes, points in track(shots, "detector", total=people):
            judged += judge(looker.detect(picture, looker.detector.threshold), boxes, points)

    def figures(places: list[int]) -> dict[str, Figure]:
        some = [judged[place] for place in places]
        errors = [each.error_of_size for each in some if each.score > 0]
        return {"recall": share([each.score > 0 for each in some]), "landmark error": mean(errors)}

    return by_group([FIRST + number for number in range(people)], figures)


def verification(vectors: list[Floats], threshold: float) -> dict[str, Figure]:
    """How well people of one group are told from each other.

    Args:
        vectors: of each person float32 (V, 512), unit embeddings of their pictures.
        threshold: cosine from which two pictures count as one person.

    Returns:
        AUC, and the shares of a person's own pairs that are missed and of pairs of two people that
        are taken for one, at the threshold. Intervals come from drawing the people again: pairs
        that share a person do not stand for themselves.
    """
    alike = [(v @ v.T)[np.triu_indices(len(v), 1)] for v in vectors]
    lengths = [len(v) for v in vectors]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    stacked = np.concatenate(vectors)
    cosines = stacked @ stacked.T
    owner = np.repeat(np.arange(len(vectors)), lengths)
    same = np.concatenate(alike)
    other = cosines[owner[:, None] < owner[None]]
    rng, drawn = np.random.default_rng(43), []
    for _ in range(_RESAMPLES):
        chosen = rng.integers(0, len(vectors), len(vectors))
        where = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in chosen])
        who = owner[where]
        two = cosines[np.ix_(where, where)][who[:, None] < who[None]]
        drawn.append(_told_apart(np.concatenate([alike[i] for i in chosen]), two, threshold))
    values = _told_apart(same, other, threshold)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    names = ("AUC", "missed", "taken for another")
    found = zip(names, values, low.tolist(), high.tolist(), strict=True)
    return {name: Figure(value, least, most) for name, value, least, most in found}


def _told_apart(same: Floats, other: Floats, threshold: float) -> tuple[float, float, float]:
    """AUC, and the shares of same pairs below and of other pairs above a threshold."""
    missed, taken = float((same < threshold).mean()), float((other >= threshold).mean())
    return auc(same, other), missed, taken


def embedder_rows(people: int) -> list[Row]:
    """Verification among people of one group: others of their own tone are the hardest to tell.

    A picture counts where nothing hides the face, and where the person wears their own head, whose
    skin it shows.
    """
    store = Store("photos")
    crops, labels, clear = embedder.held_out_crops(people, worn=False)
    own = (store.plan.faces == store.plan.heads)[store.ready()][: len(labels)]
    embed, keep = embedder.exported(), np.flatnonzero(clear & own)
    vectors = np.concatenate([embed(crops[[i]]) for i in track(keep, "embedder")])
    spec = load_card(CARDS / "ref_embedder.toml").embedding
    assert spec is not None
    limit = spec.match_threshold
    seeds = [int(seed) for seed in np.unique(labels[keep])]
    theirs = [vectors[labels[keep] == seed] for seed in seeds]
    return by_group(seeds, lambda places: verification([theirs[i] for i in places], limit))


def swapper_rows(size: int, count: int) -> list[Row]:
    """What swaps are worth by the target's groups: their skin, head and light stay in the picture.

    A dark face holds smaller differences, so that a PSNR alone would flatter it: beside it stands
    what doing nothing to the target comes to.
    """
    rows = swapper.rows_of(swapper.exported(size), count, size)
    seeds = [int(seed) for seed in Store("swaps").plan.heads[::2][:count]]

    def figures(places: list[int]) -> dict[str, Figure]:
        some = [rows[place] for place in places]
        return {
            "PSNR": mean([row["psnr"] for row in some]),
            "gain": mean([row["psnr"] - row["psnr_unswapped"] for row in some]),
            "cosine to the source": mean([row["cosine_source"] for row in some]),
            "of the truth": mean([row["cosine_source_of_truth"] for row in some]),
            "nearer to the source": share([row["nearer_source"] > 0 for row in some]),
        }

    return by_group(seeds, figures)


DIGITS = {"PSNR": 2, "gain": 2, "AUC": 4}


def markdown(rows: list[Row]) -> str:
    """A table as Markdown: each figure with its interval."""
    names = list(rows[0].figures)
    lines = [
        "| group | count | " + " | ".join(names) + " |",
        "|---|---" + "|---" * len(names) + "|",
    ]
    for row in rows:
        cells = []
        for name in names:
            figure, digits = row.figures[name], DIGITS.get(name, 3)
            cells.append(
                f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"
            )
        group = " ".join(part for part in (row.kind, row.group) if part)
        lines.append(f"| {group} | {row.count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """Rows for the log: rounded, for differences that can be read."""
    return [
        {
            "kind": row.kind,
            "group": row.group,
            "count": row.count,
            **{
                name: [round(v, 5) for v in (figure.value, figure.low, figure.high)]
                for name, figure in row.figures.items()
            },
        }
        for row in rows
    ]


def rows_of(model: str, options: argparse.Namespace) -> list[Row]:
    """Measure one of `MODELS`; what it needs of the held-out pictures is rendered first."""
    if model in DETECTORS:
        return detector_rows(model, options.people, options.workers)
    for store in ("photos", "swaps"):
        pairs.fill(store, options.workers)
    if model == "ref_embedder":
        return embedder_rows(options.count)
    pairs.fill("swaps", options.workers, crop=SWAPPERS[model])
    return swapper_rows(SWAPPERS[model], options.count)


def present() -> tuple[str, ...]:
    """Those of `MODELS` whose weights are there: one that is being trained may have none."""
    return tuple(name for name in MODELS if (WEIGHTS / f"{name}.onnx").exists())


def write(path: Path, found: dict[str, list[Row]]) -> None:
    """Put the figures of some models into the log, beside those of others."""
    log = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    log |= {name: as_json(rows) for name, rows in found.items()}
    path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1200, help="for the detector")
    parser.add_argument("--count", type=int, default=240, help="held-out identities and pairs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=MODELS, help="measure this model alone")
    options = parser.parse_args()
    models = present() if options.only is None else (options.only,)
    found = {name: rows_of(name, options) for name in models}
    console = Console(width=160)
    for name, rows in found.items():
        console.print(f"\n{name}\n\n{markdown(rows)}", soft_wrap=True, markup=False)
    write(LOGS / "fairness_metrics.json", found)


if __name__ == "__main__":
    main()
