"""Make the faces of nobody that swap models are calibrated and judged on.

Calibration: one picture each of many identities, in varied pose, light, expression and wear.
Held out: other identities, as targets, photos of sources, and the exact truth of each swap: the
target's scene drawn again with the source's face part. Everybody is rendered: nobody is shown. Run
from the repository's root:

    python -m models.training.toolchain_faces --out models/samples/faces
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.training.faces import EDITION
from models.training.faces.identity import sample_identity, swapped
from models.training.faces.render import Rendered, render
from models.training.faces.scene import Scene, sample_scene

# Two million and up is used by no training and no evaluation; the demo's samples end at 2_300_005.
CALIBRATION = 2_400_000
CALIBRATION_SCENES = 2_500_000
HELD_OUT = 2_600_000
HELD_OUT_SCENES = 2_700_000
PHOTO_SCENES = 2_800_000

IDENTITIES = 64
SWAPS = 24
PHOTOS = 2
"""Photos per source: a mean of two embeddings is what a careful enrolment gives."""

SIZE = 256
PHOTO_SIZE = 160
QUALITY = 92
TRUTH_QUALITY = 95
"""Of held-out targets and truths: the error of JPEG should stay far below that of a swap."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to render.

    Attributes:
        file: Its name.
        face: Identity seed of the face part.
        head: Identity seed of the head part.
        scene: The rest.
        size: Width and height in pixels.
        quality: Of JPEG.
    """

    file: str
    face: int
    head: int
    scene: Scene
    size: int
    quality: int


def _framed(seed: int, *, plain: bool, yaw: float, low: float) -> Scene:
    """Return a scene whose face fills the picture as a crop does, with little around it."""
    scene = sample_scene(seed, max_yaw=yaw, occluder_chance=0.2, plain=plain)
    height = low + 0.08 * float(np.random.default_rng((307, seed)).random())
    camera = replace(scene.camera, face_height=height, offset_x=0.0, offset_y=0.0)
    return replace(scene, camera=camera)


def _calibration_jobs() -> list[Job]:
    return [
        Job(
            f"calibration-{number:02}.jpg",
            CALIBRATION + number,
            CALIBRATION + number,
            _framed(CALIBRATION_SCENES + number, plain=False, yaw=55.0, low=0.54),
            SIZE,
            QUALITY,
        )
        for number in range(IDENTITIES)
    ]


def _held_out_jobs() -> list[Job]:
    """Return jobs of targets and truths, then those of the sources' photos, by source."""
    jobs = []
    for number in range(SWAPS):
        target, source = HELD_OUT + number, HELD_OUT + (number + 1) % SWAPS
        scene = _framed(HELD_OUT_SCENES + number, plain=True, yaw=45.0, low=0.58)
        for kind, face in (("target", target), ("truth", source)):
            name = f"held-out-{number:02}-{kind}.jpg"
            jobs.append(Job(name, face, target, scene, SIZE, TRUTH_QUALITY))
        for photo in range(PHOTOS):
            seed = PHOTO_SCENES + number * PHOTOS + photo
            calm = replace(_framed(seed, plain=True, yaw=20.0, low=0.58), occluders=())
            name = f"held-out-{number:02}-source-{photo + 1}.jpg"
            jobs.append(Job(name, source, source, calm, PHOTO_SIZE, QUALITY))
    return jobs


def _shot(job: Job) -> Rendered:
    identity = sample_identity(job.face)
    if job.head != job.face:
        identity = swapped(sample_identity(job.head), identity)
    return render(identity, job.scene, job.size)


def make(job: Job, folder: Path) -> dict[str, Any]:
    """Render one picture into a folder; return its entry in the list. Runs in a worker process."""
    cv2.setNumThreads(1)
    shot = _shot(job)
    options = [cv2.IMWRITE_JPEG_QUALITY, job.quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    done, data = cv2.imencode(".jpg", shot.picture, options)
    if not done:
        raise RuntimeError(f"{job.file} cannot be encoded")
    (folder / job.file).write_bytes(data.tobytes())
    return {"file": job.file, "face": job.face, "head": job.head, "landmarks": _list(shot)}


def _list(shot: Rendered) -> list[list[float]]:
    points: NDArray[np.float32] = shot.landmarks
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points]


def _swaps(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the entries of each held-out swap; target and truth share the target's landmarks."""
    step = 2 + PHOTOS
    groups = [entries[start : start + step] for start in range(0, len(entries), step)]
    return [
        {"target": target, "truth": truth, "sources": list(photos)}
        for target, truth, *photos in groups
    ]


def _write_list(path: Path, entries: Sequence[dict[str, Any]], edition: int = EDITION) -> None:
    """Write the list of all pictures, drawn by an edition of the renderer, as JSON."""
    about = "Rendered faces of nobody; landmarks in pixels, as edge.records.Face has them."
    parts = []
    for key, rows in (
        ("calibration", entries[:IDENTITIES]),
        ("held_out", _swaps(entries[IDENTITIES:])),
    ):
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        parts.append(f'"{key}": [\n{lines}\n]')
    head = f'{{"about": {json.dumps(about)},\n"edition": {edition},\n'
    text = head + ",\n".join(parts) + "}\n"
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Make all pictures and the list of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/samples/faces"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [*_calibration_jobs(), *_held_out_jobs()]
    with ProcessPoolExecutor(options.workers) as pool:
        entries = list(pool.map(make, jobs, [folder] * len(jobs), chunksize=4))
    _write_list(folder / "faces.json", entries)
    size = sum(path.stat().st_size for path in folder.iterdir())
    Console().print(f"{len(jobs)} pictures in {folder}, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
