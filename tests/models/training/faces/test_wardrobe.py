"""Heads: tones, styles and clothes by the tables' shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.training.faces.identity import sample_identity, sex_of
from models.training.faces.wardrobe import COVERINGS, GARMENTS, HAIR_STYLES, garment_number

HEADS = [(sample_identity(seed).head, sex_of(seed)) for seed in range(1500)]


def test_every_sixth_of_the_melanin_scale_is_as_frequent() -> None:
    tones = np.histogram([head.melanin for head, _ in HEADS], 6, (0, 1))[0] / len(HEADS)
    assert np.all((tones > 0.12) & (tones < 0.22))


def test_every_style_and_garment_is_drawn() -> None:
    assert {head.hair for head, _ in HEADS} == set(HAIR_STYLES)
    assert {head.garment for head, _ in HEADS} == set(GARMENTS)
    assert set(COVERINGS) < set(HAIR_STYLES)


def test_glasses_and_sunglasses() -> None:
    worn = [head for head, _ in HEADS if head.glasses != "none"]
    assert 0.18 < len(worn) / len(HEADS) < 0.27
    assert 0.08 < np.mean([head.glasses_tint > 0.5 for head in worn]) < 0.26


def test_scarves_are_worn_by_women_and_receding_hair_by_men() -> None:
    assert all(sex <= 0 for head, sex in HEADS if head.hair == "scarf")
    assert all(sex > 0 for head, sex in HEADS if head.hair == "receding")


@pytest.mark.parametrize("garment", GARMENTS)
def test_a_garment_has_its_number(garment: str) -> None:
    head = replace(HEADS[0][0], garment=garment)
    assert GARMENTS[garment_number(head)] == garment
