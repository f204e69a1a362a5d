"""A student's files: one identity's, private, and like any other model's to the rest."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")
pytest.importorskip("tomli_w")

from edge.adding import add_model
from edge.backends._onnx_contents import metadata_of
from edge.cards import load_card
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.ledger import Ledger
from edge.errors import ConsentError, OutputError
from edge.resources import data_dir
from edge.swap import Swapper
from models.training.distil import publish as publishing
from models.training.distil.net import Student
from models.training.distil.publish import card_name, publish
from models.training.distil.teacher import open_teacher
from tests import tiny
from tests.models.training.distil.stand import CARD, SIZE, teacher_of
from tests.scene import ENGINES, Stage, stage, target


def published(nobody: Stage, home: Path, folder: Path) -> tuple[Path, Path]:
    torch.manual_seed(4)
    return publish(Student(SIZE), teacher_of(nobody, home), folder / "Nobody's.onnx")


def test_what_is_written(nobody: Stage, edge_home: Path, tmp_path: Path) -> None:
    model, path = published(nobody, edge_home, tmp_path / "new")
    card = load_card(path)
    assert card.name == "nobody_s"
    assert card.picture is not None
    assert card.picture.composited
    assert not card.picture.exact_mask
    assert card.source is not None
    assert card.source.kind == "baked"
    assert card.source.identity == nobody.identity.commitment
    assert card.crop is not None
    assert (card.crop.template, card.crop.size) == ("arcface_128", SIZE)
    held = metadata_of(model)
    assert held["edge_swap.identity"] == nobody.identity.commitment
    assert held["edge_swap.consent"] == nobody.consent.id
    assert nobody.consent.subject not in str(held)
    assert {each.stat().st_mode & 0o777 for each in (model, path)} == {0o600}
    assert sorted(each.name for each in model.parent.iterdir()) == [model.name, path.name]


def test_the_mask_is_as_exact_as_the_teacher_s(
    nobody: Stage, edge_home: Path, tmp_path: Path
) -> None:
    text = CARD.replace('mask = "mask"', 'mask = "mask"\ncomposited = true\nexact_mask = true')
    tiny.install_one(edge_home, "exact", "swapper", text, tiny.swapper(SIZE))
    teacher = open_teacher("exact", nobody.identity_file)
    _, path = publish(Student(SIZE), teacher, tmp_path / "alice.onnx")
    spec = load_card(path).picture
    assert spec is not None
    assert spec.exact_mask


def test_what_came_meanwhile_is_not_replaced(
    nobody: Stage, edge_home: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "new" / "Nobody's.toml"
    taken.parent.mkdir()
    taken.write_text("mine")
    with pytest.raises(OutputError, match=r"Nobody's\.toml: exists already"):
        published(nobody, edge_home, taken.parent)
    assert [path.name for path in taken.parent.iterdir()] == [taken.name]
    publish(
        Student(SIZE), teacher_of(nobody, edge_home), taken.with_suffix(".onnx"), overwrite=True
    )
    assert load_card(taken).name == "nobody_s"


def test_it_goes_with_the_identity(nobody: Stage, edge_home: Path, tmp_path: Path) -> None:
    files = published(nobody, edge_home, tmp_path / "new")
    assert set(files) <= set(derivatives_of(nobody.identity.commitment))
    erase_identity(nobody.identity_file, Ledger())
    assert not any(each.exists() for each in files)


def test_it_swaps_its_person_and_nobody_else(
    nobody: Stage, edge_home: Path, tmp_path: Path
) -> None:
    model, card = published(nobody, edge_home, tmp_path / "new")
    (data_dir() / "cards").mkdir(parents=True, exist_ok=True)
    (data_dir() / "cards" / card.name).write_bytes(card.read_bytes())
    added = add_model(model)
    assert added.path in derivatives_of(nobody.identity.commitment)
    engines = replace(ENGINES, model="nobody_s")

    def swapper(who: Stage) -> Swapper:
        return Swapper(who.identity, purpose="film", target_is="synthetic", engines=engines)

    done = swapper(nobody).swap(target())
    assert done.frame.shape == target().shape
    assert np.isfinite(done.frame).all()
    other = stage(edge_home, tmp_path / "other", media=("picture",))
    with pytest.raises(ConsentError, match="another identity"):
        swapper(other)


def test_what_fails_leaves_nothing(
    nobody: Stage, edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(baked: object, path: Path) -> None:
        if path.suffix == ".onnx":
            raise OutputError("cannot note")

    monkeypatch.setattr(publishing, "register_baked", refuse)
    with pytest.raises(OutputError, match="cannot note"):
        published(nobody, edge_home, tmp_path / "new")
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("alice.onnx", "alice"),
        ("Älice B.onnx", "lice_b"),
        ("...onnx", "student"),
        ("é.onnx", "student"),
    ],
)
def test_a_card_s_name(file: str, name: str) -> None:
    assert card_name(Path(file)) == name
