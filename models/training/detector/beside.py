"""Hold the shipped detector beside another one, on what neither of them has seen.

Usage::

    python -m models.training.detector.beside yunet

The other is named by its card; its file is looked for as the runtime does (`edge models add`,
EDGE_MODELS_DIR). Two detectors mean different things by a score, so each is asked for the recall
that it has where it makes as many false faces as the other. The faces are rendered: that favours
whoever was trained on such faces, and says nothing about photographs of people.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edge.errors import EdgeError
from edge.faces.detect import Detector, open_detector
from models.training.detector import held
from models.training.detector.augment import Picture
from models.training.detector.compose import Sources
from models.training.detector.data import sources
from models.training.detector.evaluate import (
    LOWEST,
    PORTRAITS,
    Looker,
    false_scores,
    on_portraits,
)
from models.training.detector.held import objects

FALSE = (0, 1, 2, 5)
"""Numbers of false faces at which recall is told."""

_SHIPPED = "ref_detector"
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What one detector said of all pictures.

    Attributes:
        name: of its card.
        threshold: from which a face counts by its card.
        large: of each true face of 32 pixels and up, its score; 0 where it was not found.
        small: the same of those of 20 to 32 pixels.
        wrong: scores of whatever it found in pictures of things.
    """

    name: str
    threshold: float
    large: Scores
    small: Scores
    wrong: Scores


def recall_at(scored: Scored, false: int) -> tuple[float, float, float]:
    """Return the recall of a detector where it makes so many false faces.

    Args:
        scored: what it said.
        false: false faces in all pictures of things.

    Returns:
        The threshold, above which a face counts; recall of faces of 32 pixels and up, and of 20
        to 32.
    """
    order = np.sort(scored.wrong)[::-1]
    threshold = float(order[false]) if len(order) > false else 0.0
    return (
        threshold,
        float((scored.large > threshold).mean()),
        float((scored.small > threshold).mean()),
    )


def scored_by(detector: Detector, made_of: Sources, things: list[Picture]) -> Scored:
    """Show a detector the table's portraits, and pictures of things.

    Args:
        detector: who looks.
        made_of: the held-out half, of which portraits are made.
        things: uint8 (H, W, 3) BGR each, without a face.
    """
    runner = Looker(detector)
    judged, _ = on_portraits(runner, made_of, PORTRAITS)
    large = np.array([one.score for one in judged if one.size >= 32], np.float64)
    small = np.array([one.score for one in judged if 20 <= one.size < 32], np.float64)
    wrong = np.array(false_scores(runner, things), np.float64)
    return Scored(detector.card.name, detector.threshold, large, small, wrong)


def table_of(both: Sequence[Scored], pictures: int) -> Table:
    """Return the table: recall by false faces, each detector at a threshold of its own."""
    table = Table(f"false faces in {pictures} pictures", *(one.name for one in both))
    for false in FALSE:
        cells = []
        for one in both:
            threshold, large, small = recall_at(one, false)
            cells.append(f"{large:.3f}; {small:.3f} (above {threshold:.2f})")
        table.add_row(str(false), *cells)
    own = (f"{one.threshold:g}: {int((one.wrong >= one.threshold).sum())} false" for one in both)
    table.add_row("at its own threshold", *own)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detector", help="name of the other detector's card, e.g. yunet")
    options = parser.parse_args(arguments)
    try:
        opened = [open_detector(name, threads=2) for name in (_SHIPPED, options.detector)]
    except EdgeError as error:
        parser.error(str(error))
    console = Console()
    held.prepare(console)
    made_of = sources(held=True)
    things = made_of.bank.photos[1::2] + objects(made_of, 1)
    ours, theirs = (scored_by(detector, made_of, things) for detector in opened)
    console.print(
        f"recall of faces of 32 pixels and up ({ours.large.size}); of 20 to 32 ({ours.small.size})"
    )
    console.print(table_of((ours, theirs), len(things)))
    console.print(f"scores below {LOWEST} were not asked for")


if __name__ == "__main__":
    main()
