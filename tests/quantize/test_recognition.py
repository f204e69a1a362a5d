"""The recogniser that judges identity: the card's, on crops, without a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.contracts import CropSpec, SourceSpec
from edge.faces.align import align_to, points_of
from edge.faces.embed import Embedder
from edge.records import Face
from quantize.budget import parse_budget
from quantize.contract import ModelContract
from quantize.errors import BudgetError
from quantize.recognition import crop_embedder, identity_judge
from tests import tiny
from tests.quantize.measured import card, contract


def _contract(recogniser: str) -> ModelContract:
    source = SourceSpec("source", "embedding", recogniser, True, 512)
    return replace(contract(side=128), card=replace(card(side=128), source=source))


def test_equal_pictures_show_one_face_and_unlike_ones_do_not(edge_home: Path) -> None:
    tiny.install(edge_home)
    embed = crop_embedder(_contract("tiny_embedder"))
    assert embed is not None
    rng = np.random.default_rng(0)
    first, second = (rng.random((1, 3, 128, 128), np.float32) for _ in range(2))
    assert embed(first) @ embed(first) == pytest.approx(1, abs=1e-5)
    assert embed(first) @ embed(second) < 0.999
    assert np.linalg.norm(embed(second)) == pytest.approx(1, abs=1e-5)


def test_channels_reach_the_recogniser_in_their_order(edge_home: Path) -> None:
    tiny.install(edge_home)
    embed = crop_embedder(_contract("tiny_embedder"))
    assert embed is not None
    red = np.zeros((1, 3, 128, 128), np.float32)
    red[:, 0] = 1
    assert embed(red) @ embed(red[:, ::-1]) < 0.999


def test_without_card_or_recogniser_nobody_is_judged(edge_home: Path) -> None:
    assert crop_embedder(replace(contract(), card=None)) is None
    assert crop_embedder(_contract("not_installed")) is None
    bare = replace(contract(), card=replace(card(), source=None))
    assert crop_embedder(bare) is None


def test_the_face_lies_where_the_card_s_crop_has_it(
    edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `align_to` cuts out of a frame is embedded as that frame's own face is."""
    face = Face((0.0, 0.0, 1.0, 1.0), 1.0, (points_of("arcface_128") * 200 + 30).astype(np.float32))
    frame = np.random.default_rng(0).integers(0, 256, (260, 260, 3), np.uint8)
    seen: list[NDArray[np.floating]] = []
    real = Embedder.embed
    tiny.install(edge_home)

    def embed(self: Embedder, picture: NDArray[np.uint8], where: Face) -> NDArray[np.float32]:
        seen.append(where.landmarks)
        return real(self, picture, where)

    monkeypatch.setattr(Embedder, "embed", embed)
    for offset in (0.0, 9.5):
        spec = CropSpec("arcface_128", 128, offset=offset)
        asked = _contract("tiny_embedder")
        assert asked.card is not None
        judge = crop_embedder(replace(asked, card=replace(asked.card, crop=spec)))
        assert judge is not None
        crop = align_to(frame, face, spec)
        planes = crop.picture[..., ::-1].transpose(2, 0, 1)[None]
        judge(np.ascontiguousarray(planes, np.float32) / np.float32(255))
        there = face.landmarks @ crop.matrix[:, :2].T + crop.matrix[:, 2]
        np.testing.assert_allclose(seen[-1], there, atol=1e-3)


def test_a_budget_for_identity_needs_a_recogniser(edge_home: Path) -> None:
    budget = parse_budget("identity:0.9")
    with pytest.raises(BudgetError, match=r"identity:0\.9 cannot be judged: .* as psnr or ssim"):
        identity_judge(_contract("not_installed"), budget)
    tiny.install(edge_home)
    identity_judge(_contract("tiny_embedder"), budget)
