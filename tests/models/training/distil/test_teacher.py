"""A teacher answers as the runtime would have its model answer, for one consented person."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from edge.cards import find_card
from edge.consent.canonical import utc_now
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import CardError, ConsentError, EdgeError, UsageError
from edge.records import Crop
from edge.swapmodel import open_swap_model
from models.training.distil.teacher import Shown, blended, changed, open_teacher
from quantize.errors import ContractError
from tests import tiny
from tests.models.training.distil.stand import CARD, SIZE, install, teacher_of
from tests.quantize.graphs import Sketch
from tests.scene import Stage, stage


def crop() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def test_it_answers_as_the_runtime_does(nobody: Stage, edge_home: Path) -> None:
    shown = teacher_of(nobody, edge_home)(crop())
    model = open_swap_model("little", threads=1)
    embedding = nobody.identity.embeddings["tiny_embedder"]
    picture, mask = model._swap_crop(Crop(crop(), np.eye(2, 3)), embedding)
    assert np.array_equal(shown.mask, (mask * 255).astype(np.uint8))
    assert np.array_equal(shown.picture, blended(crop(), picture, shown.mask))
    assert np.array_equal(shown.picture[0, 0], crop()[0, 0])  # the mask is 0 there


def test_what_is_composited_is_taken_as_it_is(nobody: Stage, edge_home: Path) -> None:
    install(edge_home)
    text = CARD.replace('mask = "mask"', 'mask = "mask"\ncomposited = true')
    tiny.install_one(edge_home, "whole", "swapper", text, tiny.swapper(SIZE))
    shown = open_teacher("whole", nobody.identity_file)(crop())
    assert not np.array_equal(shown.picture[0, 0], crop()[0, 0])


def test_an_exact_mask_is_taught_as_it_is(nobody: Stage, edge_home: Path) -> None:
    install(edge_home)
    text = CARD.replace('mask = "mask"', 'mask = "mask"\ncomposited = true\nexact_mask = true')
    tiny.install_one(edge_home, "exact", "swapper", text, tiny.swapper(SIZE))
    exact = open_teacher("exact", nobody.identity_file)(crop())
    plain = teacher_of(nobody, edge_home)(crop())
    assert np.array_equal(exact.mask, plain.mask)
    assert (exact.shows, plain.shows) == (0.25, 1.0)


def test_where_people_see_the_new_face() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    picture = np.zeros((1, 256, 3), np.uint8)
    assert np.flatnonzero(Shown(picture, ramp).face).min() == 128
    assert np.flatnonzero(Shown(picture, ramp, 0.25).face).min() == 32


def test_a_teacher_without_a_mask_gets_one(nobody: Stage, edge_home: Path) -> None:
    text = CARD.replace('mask = "mask"\n', "")
    tiny.install_one(edge_home, "bare", "swapper", text, tiny.swapper(SIZE))
    shown = open_teacher("bare", nobody.identity_file)(crop())
    assert shown.mask.max() == 255


def test_what_changed_is_one_soft_region() -> None:
    before = np.full((64, 64, 3), 100, np.uint8)
    after = before.copy()
    after[20:44, 20:44] = 160
    after[2:4, 2:4] = 160  # noise far from the face
    mask = changed(before, after)
    assert mask[32, 32] == 255
    assert mask[3, 3] == 0
    assert mask[60, 60] == 0
    assert 0 < mask[32, 46] < 255
    assert changed(before, before).max() == 0


def test_without_leave_there_is_no_teacher(nobody: Stage, edge_home: Path) -> None:
    install(edge_home)
    install_revocation(new_revocation(nobody.consent, operator_key(), load_trust(), "asked to"))
    with pytest.raises(ConsentError, match="was revoked"):
        open_teacher("little", nobody.identity_file)


def test_a_consent_that_has_ended(
    edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = stage(edge_home, tmp_path / "over", until=utc_now() + datetime.timedelta(seconds=1))
    install(edge_home)
    later = utc_now() + datetime.timedelta(days=2)
    monkeypatch.setattr("quantize.baking.utc_now", lambda: later)
    with pytest.raises(ConsentError, match="expired on"):
        open_teacher("little", over.identity_file)


def test_a_file_is_found_by_its_card(nobody: Stage, edge_home: Path, tmp_path: Path) -> None:
    install(edge_home)
    path = tmp_path / "elsewhere.onnx"
    path.write_bytes(tiny.swapper(SIZE))
    assert open_teacher(str(path), nobody.identity_file).card == find_card("little")
    path.write_bytes(tiny.swapper(SIZE, seed=8))
    with pytest.raises(UsageError, match="no card means this file"):
        open_teacher(str(path), nobody.identity_file)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ("nothing", CardError, "no model 'nothing'"),
        ("tiny_detector", CardError, "a swapper is needed"),
        ("absent.onnx", EdgeError, "no such file"),
    ],
)
def test_what_is_no_teacher(
    given: str, kind: type[EdgeError], words: str, nobody: Stage, tmp_path: Path
) -> None:
    name = str(tmp_path / given) if given.endswith(".onnx") else given
    with pytest.raises(kind, match=words):
        open_teacher(name, nobody.identity_file)


def test_a_model_that_shows_somebody_already(nobody: Stage, edge_home: Path) -> None:
    s = Sketch()
    both = s.conv(s.input("target", 1, 3, SIZE, SIZE), 3, 3)
    s.op("Sigmoid", both, output="output")
    before, _, after = CARD.replace('mask = "mask"\n', "").partition("[source]")
    text = f'{before}[source]\nkind = "baked"\n{after[after.index(chr(10) + "[crop]") :]}'
    data = s.model("output").SerializeToString()
    tiny.install_one(edge_home, "theirs", "swapper", text, data)
    with pytest.raises(ContractError, match="shows one person already"):
        open_teacher("theirs", nobody.identity_file)
