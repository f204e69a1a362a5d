"""What the detector is measured on: held-out photographs and heads, made where they are missing."""

from __future__ import annotations

import subprocess

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.training.detector import augment, photos, pool, things
from models.training.detector.augment import Picture
from models.training.detector.compose import Canvas, Sources, warped

HEADS = {224: 512, 448: 256}
"""How many held-out heads of each side, in pixels; the logged figures were measured on these."""

DRAWN = 500
"""Procedural backgrounds beside the photographs; they serve training alone."""

LEFT_OUT = 100
"""Of the held-out heads: on them thresholds were picked once; the table is made with the others."""

GROUNDS = 3
"""Pictures of each object: one false face in 300 pictures of things is to be told from two."""

Floats = NDArray[np.float32]


def prepare(console: Console, workers: int = 2) -> None:
    """Fetch the photographs and render the heads that are not there yet.

    Raises:
        SystemExit: The photographs cannot be had here; the message says why.
    """
    cache = photos.default_cache()
    if not any((cache / "held" / "photos").glob("*")):
        console.print(f"fetching {len(photos.PACKAGES)} packages of pictures, 850 MB, into {cache}")
        try:
            photos.fetch(cache / "packages")
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"the photographs of things come from Debian's packages by apt-get: {error}"
            ) from error
        photos.refill(cache, cache / "packages", DRAWN)
    for side, count in HEADS.items():
        pool.fill(pool.HELD_OUT, count, side, workers, console)


def portrait(made_of: Sources, number: int) -> tuple[Picture, Floats, Floats, int]:
    """Place a held-out head on a held-out photograph; sizes from 20 to 300 pixels.

    Args:
        made_of: the held-out half.
        number: which portrait.

    Returns:
        Picture uint8 (512, 512, 3) BGR, box (1, 4), points (1, 5, 2), number of the identity.
    """
    rng = np.random.default_rng((23, number, 0))
    wanted = float(np.exp(rng.uniform(np.log(20), np.log(300))))
    photos = made_of.bank.photos
    canvas = Canvas(np.array(things.crop(photos[rng.integers(len(photos))], 512, rng)))
    pool = made_of.large if wanted > 130 else made_of.heads
    identity = LEFT_OUT + number % (len(pool) - LEFT_OUT)
    head = warped(pool[identity], wanted, rng, 12.0)
    centre = head.box[:2] + head.box[2:] / 2
    left, top = (rng.uniform(wanted * 0.6, 512 - wanted * 0.6, 2) - centre).astype(int)
    canvas.add(head, int(left), int(top), True)
    picture = canvas.picture
    for chance, change in ((0.3, augment.tone), (0.2, augment.blur), (0.2, augment.noise)):
        if rng.random() < chance:
            picture = change(picture, rng)
    picture = augment.jpeg(picture, rng) if rng.random() < 0.5 else picture
    truth = canvas.faces[0][1]
    return picture, truth.box[None], truth.points[None], identity


def objects(made_of: Sources, half: int) -> list[Picture]:
    """Put every second held-out object on plain and photographed grounds."""
    pictures = []
    stamps = [stamp for stamp in made_of.bank.stamps[half::2] for _ in range(GROUNDS)]
    for number, stamp in enumerate(stamps):
        rng = np.random.default_rng((29, number))
        ground = np.full((320, 320, 3), things.colour(rng), np.uint8)
        if number % 2:
            photos = made_of.bank.photos
            ground = np.array(things.crop(photos[rng.integers(len(photos))], 320, rng))
        cutout = things.turned(stamp, float(rng.uniform(100, 280)), rng, 15)
        corner = (320 - np.array(cutout.shape[:2])) // 2
        things.paste(ground, cutout, int(corner[1]), int(corner[0]))
        pictures.append(ground)
    return pictures


def backdrops(count: int, first: int) -> list[Picture]:
    """Draw procedural backgrounds of held-out seeds."""
    from models.training.faces.background import background

    return [np.asarray(background(480, 640, first + i)) for i in range(count)]
