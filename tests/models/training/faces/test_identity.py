"""People of nobody: repeatable, of all kinds, and with the shares that docs/faces.md states."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from models.training.faces.identity import FACE_INDEX, sample_identity, sex_of, swapped

PEOPLE = [sample_identity(seed) for seed in range(800)]


def test_the_same_seed_is_the_same_person() -> None:
    assert sample_identity(7) == sample_identity(7)
    assert sample_identity(7) != sample_identity(8)


def test_ages_are_spread_evenly() -> None:
    ages = np.array([person.face.age for person in PEOPLE])
    for low in (0.0, 1 / 3, 2 / 3):
        assert 0.27 < ((ages >= low) & (ages < low + 1 / 3)).mean() < 0.40


def test_half_of_the_women_wear_make_up_and_no_man_does() -> None:
    worn = {True: [], False: []}  # type: dict[bool, list[bool]]
    for person in PEOPLE:
        worn[sex_of(person.seed) < 0].append(person.face.foundation > 0)
    assert 0.40 < np.mean(worn[True]) < 0.60
    assert not any(worn[False])


def test_age_brings_spots() -> None:
    spots = {True: [], False: []}  # type: dict[bool, list[float]]
    for person in PEOPLE:
        spots[person.face.age > 0.6].append(person.face.spots)
    assert np.mean(spots[True]) > np.mean(spots[False]) + 0.2


def test_the_vector_holds_every_field_in_its_place() -> None:
    face = PEOPLE[3].face
    vector = face.vector()
    assert len(vector) == len(FACE_INDEX) == len(astuple(face))
    assert vector[FACE_INDEX["teeth"]] == face.teeth


def test_a_swap_carries_the_face_over() -> None:
    both = swapped(PEOPLE[0], PEOPLE[1])
    assert (both.head, both.face) == (PEOPLE[0].head, PEOPLE[1].face)
