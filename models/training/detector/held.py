"""What the detector is measured on: held-out photographs and heads, made where they are missing."""

from __future__ import annotations

import subprocess

from rich.console import Console

from models.training.detector import photos, pool

HEADS = {224: 512, 448: 256}
"""How many held-out heads of each side, in pixels; the logged figures were measured on these."""

DRAWN = 500
"""Procedural backgrounds beside the photographs; they serve training alone."""


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
