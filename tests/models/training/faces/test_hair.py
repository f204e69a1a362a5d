"""Hair: a mass inside the hairline, and strands that stay out of the face."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace

import numpy as np

from models.training.faces.hair import hair_meshes, hair_strands, hairline_margin, under
from models.training.faces.identity import sample_identity
from models.training.faces.styles import STYLES

HEAD = replace(sample_identity(2).head, hairline=0.0, hair_seed=5)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_each_style_grows_strands_on_the_skull(style: str) -> None:
    head = replace(HEAD, hair=style)
    strands = hair_strands(head, 400)
    assert strands is not None
    assert len(strands.points) > 150
    assert not strands.of_face
    assert np.all(strands.shown >= 2)
    roots = strands.points[:, 0]
    assert np.all(np.linalg.norm(roots, axis=1) < 17)
    # Nobody's hair starts on the face.
    assert not np.any((roots[:, 2] > 7.5) & (roots[:, 1] < 3.5))
    assert len(hair_meshes(head)) == (0 if style == "buzz" else 2 if style == "bun" else 1)


def test_long_hair_hangs_and_grey_hair_is_pale() -> None:
    long = hair_strands(replace(HEAD, hair="long"), 400)
    short = hair_strands(replace(HEAD, hair="short"), 400)
    assert long is not None
    assert short is not None
    assert long.points[..., 1].min() < -10 < short.points[..., 1].min()
    dark = replace(HEAD, hair="short", hair_r=0.01, hair_g=0.01, hair_b=0.01)
    grey = hair_strands(replace(dark, hair_grey=1.0), 400)
    black = hair_strands(replace(dark, hair_grey=0.0), 400)
    assert grey is not None
    assert black is not None
    assert grey.colours.mean() > 5 * black.colours.mean()


def test_what_shows_under_headwear() -> None:
    assert under(replace(HEAD, hair="scarf")) is None
    capped = under(replace(HEAD, hair="cap", hair_length=0.1))
    assert capped is not None
    assert capped.hair == "short"


def test_a_receding_hairline_recedes() -> None:
    rings, angles = np.array([2.5]), np.radians([0.0, 30.0])
    full = hairline_margin(replace(HEAD, hair="short"), rings, angles)
    less = hairline_margin(replace(HEAD, hair="receding"), rings, angles)
    assert np.all(full > 0)
    assert np.all(less < 0)
