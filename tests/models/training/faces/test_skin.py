"""Skin: tones, red zones, marks, make-up; nothing of the face leaves its region."""

import pytest

pytest.importorskip("numba")

from dataclasses import replace
from itertools import pairwise

import numpy as np

from models.training.faces.identity import FacePart, sample_identity
from models.training.faces.skin import EYE_HOLE, MOUTH_HOLE, head_vector, pigment, skin, unrolled

PERSON = sample_identity(12)
FACE = replace(
    PERSON.face, beard=0.0, moustache=0.0, stubble=0.0, freckles=0.0, moles=0.0, spots=0.0,
    flush=0.0, foundation=0.0, shadow=0.0, rouge=0.0, age=0.2,
)  # fmt: skip
HEAD = replace(PERSON.head, melanin=0.2, blotch=0.0)


def _at(
    x: float, y: float, face: FacePart = FACE, e: np.ndarray | None = None
) -> tuple[float, ...]:
    e = np.zeros(8) if e is None else e
    return tuple(skin(x, y, 8.0, face.vector(), head_vector(HEAD), e, True))


def test_more_melanin_is_darker_and_more_blood_redder() -> None:
    tones = [pigment(m, 0.3, 0.0) for m in np.linspace(0, 1, 6)]
    assert all(a > b for a, b in pairwise(tones))
    pale, flushed = pigment(0.2, 0.2, 0.0), pigment(0.2, 0.9, 0.0)
    assert flushed[0] / flushed[1] > 1.2 * pale[0] / pale[1]


def test_cheeks_are_redder_than_the_forehead_which_shines_more() -> None:
    cheek, forehead = _at(3.7, -3.0), _at(0.5, 3.8)
    assert cheek[0] / cheek[1] > 1.03 * forehead[0] / forehead[1]
    assert forehead[3] > cheek[3]
    assert forehead[4] > cheek[4]


def test_holes_for_eyes_and_mouth() -> None:
    talking = np.zeros(8)
    talking[0] = 0.6
    assert _at(3.15, 0.05)[5] == EYE_HOLE
    assert _at(0.5, -6.5, e=talking)[5] == MOUTH_HOLE
    assert _at(0.5, -6.5)[5] == 0.0


@pytest.mark.parametrize("change", [{"rouge": 1.0}, {"spots": 1.0}, {"freckles": 1.0}])
def test_marks_and_rouge_change_the_cheeks(change: dict[str, float]) -> None:
    marked = replace(FACE, **change)
    spots = [(x, y) for x in np.linspace(2.5, 4.8, 12) for y in np.linspace(-4.5, -2, 12)]
    assert any(_at(x, y, marked)[:3] != _at(x, y)[:3] for x, y in spots)


def test_outside_of_its_region_a_face_leaves_no_trace() -> None:
    other = sample_identity(99).face
    for x, y in ((6.2, -3.0), (0.0, 4.6), (5.5, 3.5), (2.0, -11.5)):
        assert _at(x, y) == _at(x, y, other)


def test_noise_is_laid_out_by_lengths_on_the_head() -> None:
    a, b = unrolled(5.0, 0.0, 5.0), unrolled(5.5, 0.0, 4.5)
    assert 0.4 < np.hypot(a[0] - b[0], a[1] - b[1]) < 1.2
