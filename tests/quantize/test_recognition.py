"""The recogniser that judges identity: the card's, on crops, without a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.contracts import SourceSpec
from quantize.recognition import crop_embedder
from tests import tiny
from tests.quantize.measured import card, contract


def _contract(recogniser: str) -> object:
    source = SourceSpec("source", "embedding", recogniser, True, 512)
    return replace(contract(side=128), card=replace(card(side=128), source=source))


def test_equal_pictures_show_one_face_and_unlike_ones_do_not(edge_home: Path) -> None:
    tiny.install(edge_home)
    embed = crop_embedder(_contract("tiny_embedder"))  # type: ignore[arg-type]
    assert embed is not None
    rng = np.random.default_rng(0)
    first, second = (rng.random((1, 3, 128, 128), np.float32) for _ in range(2))
    assert embed(first) @ embed(first) == pytest.approx(1, abs=1e-5)
    assert embed(first) @ embed(second) < 0.999
    assert np.linalg.norm(embed(second)) == pytest.approx(1, abs=1e-5)


def test_channels_reach_the_recogniser_in_their_order(edge_home: Path) -> None:
    tiny.install(edge_home)
    embed = crop_embedder(_contract("tiny_embedder"))  # type: ignore[arg-type]
    assert embed is not None
    red = np.zeros((1, 3, 128, 128), np.float32)
    red[:, 0] = 1
    assert embed(red) @ embed(red[:, ::-1]) < 0.999


def test_without_card_or_recogniser_nobody_is_judged(edge_home: Path) -> None:
    assert crop_embedder(replace(contract(), card=None)) is None
    assert crop_embedder(_contract("not_installed")) is None  # type: ignore[arg-type]
    bare = replace(contract(), card=replace(card(), source=None))
    assert crop_embedder(bare) is None
