"""From a model file to the graph that all precisions start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.errors import ConsentError, ModelError
from quantize.engine import Engine
from quantize.errors import ContractError, PassError, TargetError
from quantize.modelfile import digest_of, load_model
from quantize.passes import Step, draw_feeds
from quantize.prepare import TARGET_PASSES, Prepared, prepare, target_passes
from quantize.targets import Format, TargetProfile, load_target
from tests.quantize.cards import card_of, save
from tests.quantize.graphs import TOPOLOGIES, Sketch, count, reference_like
from tests.scene import Stage, stage


@pytest.fixture
def nobody(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "stage")


def prepared(
    model: onnx.ModelProto,
    folder: Path,
    target: str = "x86_cpu",
    form: Format = "onnx",
    **more: Any,
) -> Prepared:
    path = save(model, folder / "m.onnx")
    return prepare(load_model(path), load_target(target), form, **more)


def outputs_of(model: onnx.ModelProto, feeds: Any) -> Any:
    return Engine(model, kernels="reference").run(feeds)


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("target", ["x86_cpu", "android_nnapi"])
def test_a_prepared_model_computes_the_same(name: str, target: str, tmp_path: Path) -> None:
    model = TOPOLOGIES[name]()
    feeds = draw_feeds(model, count=1)[0]
    wanted = outputs_of(model, feeds)
    seen: list[Step] = []
    found = prepared(model, tmp_path, target, progress=seen.append)
    got = outputs_of(found.model, feeds)
    for output, value in wanted.items():
        assert np.abs(got[output] - value).max() < 1e-4 * max(1, np.abs(value).max())
    assert found.steps == tuple(seen)
    assert found.difference < 1e-3
    names = [node.name for node in found.model.graph.node]
    assert len(set(names)) == len(names)
    assert "" not in names


def test_every_target_gets_its_own_rewrites(tmp_path: Path) -> None:
    android = prepared(TOPOLOGIES["hyperswap"](), tmp_path, "android_nnapi").model
    assert count(android, "InstanceNormalization") == count(android, "ConvTranspose") == 0
    assert count(android, "Pad") == 0
    jetson = prepared(TOPOLOGIES["hyperswap"](), tmp_path, "jetson").model
    assert count(jetson, "InstanceNormalization") > 0
    x86 = prepared(TOPOLOGIES["mobile"](), tmp_path, "x86_cpu").model
    assert count(x86, "PRelu") == 0
    lite = prepared(TOPOLOGIES["mobile"](), tmp_path, "x86_cpu", "tflite").model
    assert count(lite, "PRelu") > 0


def test_an_emap_is_lifted_and_handed_on(tmp_path: Path) -> None:
    model = TOPOLOGIES["inswapper"]()
    matrix = numpy_helper.to_array(
        next(t for t in model.graph.initializer if t.name == "emap")
    ).copy()
    found = prepared(model, tmp_path)
    assert found.emap is not None
    assert found.emap.dtype == np.float32
    assert np.array_equal(found.emap, matrix)
    assert found.contract.emap is not None
    assert "emap" not in {t.name for t in found.model.graph.initializer}
    assert prepared(reference_like(), tmp_path).emap is None


def test_an_emap_that_the_card_does_not_ask_for_is_not_applied(tmp_path: Path) -> None:
    model = TOPOLOGIES["inswapper"]()
    path = save(model, tmp_path / "m.onnx")
    plain, asked = card_of(path), card_of(path, emap="model")
    for card, applied in ((plain, False), (asked, True)):
        found = prepared(TOPOLOGIES["inswapper"](), tmp_path, card=card)
        assert found.emap is not None
        assert (found.contract.emap is not None) is applied


def test_an_emap_beside_the_model_is_read(tmp_path: Path) -> None:
    matrix = np.linalg.qr(np.random.default_rng(2).standard_normal((512, 512)))[0]
    np.save(tmp_path / "side.npy", matrix.astype(np.float32))
    digest = digest_of([tmp_path / "side.npy"])
    path = save(reference_like(), tmp_path / "m.onnx")
    card = card_of(path, mask="mask", emap="side.npy", emap_sha256=digest)
    found = prepared(reference_like(), tmp_path, card=card)
    assert np.array_equal(found.emap, matrix.astype(np.float32))  # type: ignore[arg-type]
    (tmp_path / "side.npy").write_bytes(b"another")
    with pytest.raises(ModelError, match="is not the emap that its card means"):
        prepared(reference_like(), tmp_path, card=card)


def open_model() -> onnx.ModelProto:
    s = Sketch()
    x = s.conv(s.input("target", "n", 3, "h", "w"), 3, 3)
    row = s.op("Gemm", s.input("source", "n", 512), s.noise(3, 512), transB=1)
    s.op("Mul", x, s.op("Unsqueeze", row, s.ints(2, 3)), output="output")
    return s.model("output")


def test_open_sizes_are_the_cards(tmp_path: Path) -> None:
    card = card_of(save(open_model(), tmp_path / "m.onnx"))
    found = prepared(open_model(), tmp_path, card=card)
    assert [
        [d.dim_value for d in v.type.tensor_type.shape.dim] for v in found.model.graph.input
    ] == [
        [1, 3, 32, 32],
        [1, 512],
    ]
    assert found.contract.inputs["target"].shape == (1, 3, 32, 32)


def test_open_sizes_that_nobody_fixes(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"input 'target' has open sizes .*there is no card"):
        prepared(open_model(), tmp_path)


def test_a_model_that_gives_no_numbers(tmp_path: Path) -> None:
    s = Sketch()
    x = s.conv(s.input("target", 1, 3, 8, 8), 3, 3)
    s.op("Div", x, s.op("Sub", x, x), output="output")
    with pytest.raises(Exception, match="'output' is not finite"):
        prepared(s.model("output"), tmp_path)


def test_a_failing_rewrite_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from quantize.passes import FuseInstanceNorm

    monkeypatch.setattr(FuseInstanceNorm, "tolerance", -1.0)
    with pytest.raises(PassError, match=r"^m\.onnx: pass fuse_instance_norm failed"):
        prepared(TOPOLOGIES["inswapper"](), tmp_path)


def test_an_unknown_rewrite_is_refused_first() -> None:
    profile: TargetProfile = replace(load_target("jetson"), format_passes={"onnx": ("magic",)})
    with pytest.raises(TargetError, match="'magic', which does not exist"):
        target_passes(profile, "onnx")


@pytest.mark.parametrize("name", TARGET_PASSES)
def test_a_rewrite_is_known_by_its_own_name(name: str) -> None:
    assert TARGET_PASSES[name]().name == name


@pytest.mark.parametrize("name", ["reference", "inswapper", "mobile"])
def test_a_baked_model_is_the_model_with_that_identity(
    name: str, nobody: Stage, tmp_path: Path
) -> None:
    model = TOPOLOGIES[name]()
    emap = "model" if name == "inswapper" else ""
    card = card_of(save(model, tmp_path / "m.onnx"), emap=emap)
    feeds = draw_feeds(model, count=1)[0]
    found = prepared(model, tmp_path, card=card, bake=nobody.identity_file)
    assert found.baked is not None
    assert found.fed is not None
    assert found.contract.source is None
    assert found.original.source == "source"
    vector = nobody.identity.embeddings["tiny_embedder"].reshape(1, -1)
    if found.emap is not None:
        vector = vector @ found.emap
        vector = vector / np.linalg.norm(vector)
    assert np.allclose(found.fed, vector, atol=1e-6)
    wanted = outputs_of(TOPOLOGIES[name](), {**feeds, "source": vector.astype(np.float32)})
    got = outputs_of(found.model, {"target": feeds["target"]})
    assert np.abs(got["output"] - wanted["output"]).max() < 1e-4
    assert count(found.model, "Gemm") == 0
    said = {entry.key: entry.value for entry in found.model.metadata_props}
    assert said["edge_swap.identity"] == nobody.identity.commitment
    assert said["edge_swap.consent"] == nobody.consent.id


def test_no_leave_no_model(nobody: Stage, tmp_path: Path) -> None:
    nobody.identity_file.write_bytes(
        nobody.identity_file.read_bytes().replace(b"nobody", b"nobodi")
    )
    model = reference_like()
    card = card_of(save(model, tmp_path / "m.onnx"))
    with pytest.raises(ConsentError):
        prepared(model, tmp_path, card=card, bake=nobody.identity_file)
