"""Golden vectors for the tiny bundles of the tests."""

from __future__ import annotations

import numpy as np

from edge.backends import open_session
from edge.bundle.contents import CARDS, MODELS
from edge.cards import load_card
from edge.tensors import to_tensor
from quantize.golden import GoldenRow, GoldenRows, wanted_of, write_golden
from tests.bundles import Made


def add_golden(made: Made, *, off: float = 0.0, count: int = 2) -> None:
    """Give a tiny bundle golden vectors, and seal it again.

    Args:
        made: the bundle.
        off: by how much what "was made there" differs from what the model gives here, in [0, 1].
        count: of vectors.
    """
    card = load_card(made.folder / CARDS / "tiny_baked.toml")
    session = open_session(made.folder / MODELS / card.file)
    assert card.picture is not None
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        crop = rng.integers(0, 256, (32, 32, 3), np.uint8)
        given = session.run({session.inputs[0]: to_tensor(crop, card.input)})
        picture = dict(zip(session.outputs, given, strict=True))["output"]
        noise = off * rng.choice([-1, 1], picture.shape)
        there = wanted_of(picture + noise, card.picture)
        rows.append(
            GoldenRow(f"nobody-{number}", crop, None, wanted_of(picture, card.picture), there)
        )
    write_golden(made.folder, {card.name: GoldenRows(tuple(rows), "default")})
    made.seal()
