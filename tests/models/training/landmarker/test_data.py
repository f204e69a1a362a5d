from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.detector import things  # noqa: E402
from models.training.detector.animals import animal  # noqa: E402
from models.training.detector.compose import Sources  # noqa: E402
from models.training.detector.pool import Head  # noqa: E402
from models.training.detector.things import Bank  # noqa: E402
from models.training.landmarker import data  # noqa: E402
from models.training.landmarker.crops import cut  # noqa: E402
from models.training.landmarker.net import SIZE  # noqa: E402


class _Pool:
    """A pool of one head, a disc."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, place: int) -> Head:
        rows, columns = np.mgrid[:128, :128]
        cutout = np.full((128, 128, 4), 90, np.uint8)
        cutout[..., 3] = 255 * ((rows - 64) ** 2 + (columns - 64) ** 2 < 50**2)
        points = np.array([[50, 50], [78, 50], [64, 66], [52, 80], [76, 80]], np.float32)
        return Head(cutout, points, np.array([24, 24, 80, 80], np.float32))


def _sources(animals: int = 1, stamps: int = 1, hard: int = 1) -> Sources:
    rng = np.random.default_rng(0)
    bank = Bank(
        photos=[rng.integers(0, 256, (200, 200, 3), np.uint8)],
        stamps=[np.full((60, 40, 4), 200, np.uint8)] * stamps,
        animals=[animal(96, rng)] * animals,
        hard=[rng.integers(0, 256, (64, 64, 3), np.uint8)] * hard,
    )
    return Sources(bank, _Pool(), _Pool())  # type: ignore[arg-type]


@pytest.mark.parametrize("kinds", [{}, {"stamps": 0}, {"animals": 0}, {"hard": 0}])
def test_what_is_no_face_can_be_cut_whatever_the_bank_lacks(kinds: dict[str, int]) -> None:
    made_of = _sources(**kinds)
    for seed in range(40):
        picture, points = data.no_face(made_of, np.random.default_rng(seed))
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        crop, _ = cut(picture, points, SIZE)
        assert crop.shape == (SIZE, SIZE, 3)
        assert np.isfinite(points).all()


def test_an_animal_is_looked_at_where_its_head_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the crop that the landmarker sees, most of the middle is the animal's and not ground."""
    made_of = _sources(stamps=0)
    red = np.zeros_like(made_of.bank.animals[0])
    red[..., 2], red[..., 3] = 255, made_of.bank.animals[0][..., 3]
    made_of.bank.animals[0] = red
    plain: Callable[..., object] = lambda bank, size, rng: np.zeros((size, size, 3), np.uint8)  # noqa: E731
    monkeypatch.setattr(things, "background", plain)
    monkeypatch.setattr(things, "colour", lambda rng: (0.0, 0.0, 0.0))
    monkeypatch.setattr(things, "turned", lambda cutout, side, rng, angle: cutout)
    shares = []
    for seed in range(30):
        picture, points = data._object(made_of, np.random.default_rng(seed))
        crop, _ = cut(picture, points, SIZE)
        shares.append((crop[32:64, 32:64, 2] > 128).mean())
    assert np.mean(shares) > 0.8
