"""The recogniser: contract, folding, and the figures of its evaluation."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper

from models.training.embedder import export
from models.training.embedder.data import as_input, to_input, worn
from models.training.embedder.evaluate import auc, nearest_share, scores, strangers_limit
from models.training.embedder.net import Embedder, folded, of_state, widened
from models.training.embedder.train import Traits
from models.training.faces.identity import sample_identity
from models.training.faces.render import render
from models.training.faces.scene import sample_scene
from models.training.shipped import take_over
from models.training.traits import ASYMMETRY


@pytest.fixture(scope="module")
def net() -> Embedder:
    torch.manual_seed(0)
    net = Embedder()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 3, 112, 112))
    return net.eval()


def test_unit_vectors(net: Embedder) -> None:
    with torch.no_grad():
        out = net(torch.rand(2, 3, 112, 112) * 2 - 1)
    assert out.shape == (2, 512)
    np.testing.assert_allclose(out.norm(dim=1), 1.0, atol=1e-5)


def test_size(net: Embedder) -> None:
    assert sum(p.numel() for p in folded(net).parameters()) <= 1_250_000


def test_folding_changes_nothing(net: Embedder) -> None:
    still = folded(net)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in still.modules())
    crops = torch.rand(2, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        np.testing.assert_allclose(still(crops), net(crops), atol=1e-5)


def test_shipped_weights_are_taken_up(net: Embedder, tmp_path: Path) -> None:
    weights = [
        numpy_helper.from_array(tensor.numpy(), name)
        for name, tensor in folded(net).state_dict().items()
    ]
    onnx.save(helper.make_model(helper.make_graph([], "w", [], [], weights)), tmp_path / "m.onnx")
    crops = torch.rand(32, 3, 112, 112) * 2 - 1
    again = Embedder().eval()
    take_over(again, tmp_path / "m.onnx", [crops], added=("weigh",))
    with torch.no_grad():
        for mine, theirs in zip(again.features(crops), net.features(crops), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-3)
        vector = again.project(
            again.settle(again.places(torch.relu(again.spread(mine))).flatten(1))
        )
        # The last normalisation has no weights: it centres anew what it saw.
        np.testing.assert_allclose(again.centre.running_mean, vector.mean(0), atol=1e-3)
        again.centre.running_mean.zero_()
        again.centre.running_var.fill_(1.0)
        np.testing.assert_allclose(again(crops), net(crops), atol=1e-3)


def test_traits_begin_with_the_best_linear_reader() -> None:
    traits, people = Traits(400), np.arange(400)
    table = traits.table
    spread = torch.linalg.qr(torch.randn(512, table.shape[1]))[0]
    vectors = torch.nn.functional.normalize(table @ spread.T + 0.5, dim=1)
    whose, mirrored = torch.from_numpy(people), torch.zeros(400, dtype=torch.bool)
    before = traits(vectors, whose, mirrored).item()
    traits.begin(people, vectors)
    assert traits(vectors, whose, mirrored).item() < 0.5 * before


def test_in_the_mirror_only_the_asymmetry_turns() -> None:
    traits, whose = Traits(6), torch.arange(6)
    mirrored = torch.tensor([True, False] * 3)
    table = traits.table.clone()
    turned = traits.wanted(whose, mirrored)
    np.testing.assert_array_equal(traits.table, table)
    np.testing.assert_array_equal(turned[1::2], table[1::2])
    changed = (turned[::2] != table[::2]).any(dim=0).nonzero().flatten().tolist()
    assert changed == [ASYMMETRY]
    np.testing.assert_array_equal(turned[::2, ASYMMETRY], -table[::2, ASYMMETRY])


def test_the_face_in_the_mirror_is_that_of_the_turned_asymmetry() -> None:
    person, scene = sample_identity(5), sample_scene(9, plain=True)
    straight = replace(scene, pose=replace(scene.pose, yaw=0.0, pitch=0.0, roll=0.0))

    def eyes(asymmetry: float) -> Any:
        face = replace(person.face, asymmetry=asymmetry)
        landmarks = render(replace(person, face=face), straight, size=96).landmarks
        return landmarks[1, 1] - landmarks[0, 1]

    level = eyes(0.0)
    assert eyes(2.0) - level == pytest.approx(level - eyes(-2.0), rel=0.1)
    assert abs(eyes(2.0) - level) > 0.1  # in pixels


def test_auc_of_known_orders() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([0.0]), np.array([0.0])) == 0.5
    assert auc(np.array([0.0, 2.0]), np.array([1.0])) == 0.5


def test_nearest_of_known_neighbours() -> None:
    first = np.eye(4, dtype=np.float32)
    second = first[[0, 1, 3, 2]]  # two are taken for each other
    assert nearest_share(first, first) == 1.0
    assert nearest_share(first, second) == 0.5


def test_the_limit_is_what_a_share_of_strangers_reaches() -> None:
    turns = np.random.default_rng(5).uniform(0, np.pi, 300)
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    vectors[1::2] = vectors[::2]  # a person's own pairs are no strangers
    limit = strangers_limit(vectors, 0.25)
    cosines = (vectors[::2] @ vectors[::2].T)[np.triu_indices(150, 1)]
    assert float((cosines >= limit).mean()) == pytest.approx(0.25, abs=0.01)


def test_both_ways_to_the_input_agree() -> None:
    crop = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    rgb = torch.from_numpy(crop[..., ::-1].transpose(2, 0, 1).copy())[None].float() / 255.0
    np.testing.assert_allclose(as_input(rgb)[0], to_input(crop), atol=1e-6)


def test_most_views_are_worn_and_some_are_not() -> None:
    crops = torch.rand(64, 3, 32, 32)
    changed = (worn(crops, np.random.default_rng(2)) - crops).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.5 < float(changed.float().mean()) < 0.95


def test_scores_of_perfect_embeddings() -> None:
    labels = np.repeat(np.arange(4, dtype=np.int64), 3)
    result = scores(np.eye(4, dtype=np.float32)[labels], labels)
    assert result["auc"] == 1.0
    assert result["tar_at_far_1e2"] == 1.0


def test_help_exports_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "frozen_embedder", lambda: pytest.fail("it began to export"))
    monkeypatch.setattr("sys.argv", ["export", "--help"])
    with pytest.raises(SystemExit) as leave:
        export.main()
    assert leave.value.code == 0
    assert "--output" in capsys.readouterr().out


def test_without_the_people_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(name: str) -> None:
        raise FileNotFoundError(f"{name}: render it with scripts/train pairs")

    monkeypatch.setattr(export, "Store", gone)
    monkeypatch.setattr(export, "frozen_embedder", lambda: pytest.fail("it began to export"))
    monkeypatch.setattr("sys.argv", ["export", "--output", str(tmp_path / "e.onnx")])
    with pytest.raises(SystemExit) as leave:
        export.main()
    assert leave.value.code == 2
    assert "render it with scripts/train pairs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_wider_network_says_what_the_narrow_one_says() -> None:
    torch.manual_seed(1)
    narrow, wide = Embedder(192), Embedder()
    crops = torch.rand(8, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        narrow(crops)
        widened(wide, narrow)
        np.testing.assert_allclose(wide.eval()(crops), narrow.eval()(crops), atol=1e-5)
    wide.train()
    wide(crops)[:, 0].sum().backward()
    assert float(wide.project.weight.grad[:, 192:].abs().sum()) > 0  # and what is new can learn


@pytest.mark.parametrize("pooled", [192, 512])
def test_a_checkpoint_of_before_is_read(pooled: int) -> None:
    net = Embedder(pooled).eval()
    state = net.state_dict()
    del state["weigh.weight"]
    crops = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        np.testing.assert_array_equal(of_state(state).eval()(crops), net(crops))
