from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from edge.cards import find_card, load_card
from edge.contracts import Card
from edge.emap import load_emap
from edge.errors import ModelError
from edge.records import Crop
from edge.swapmodel import open_swap_model
from tests import families

NAME = "inswapper_128"


def _model() -> onnx.ModelProto:
    return onnx.load_from_string(families.model_bytes(NAME))


def _stored(model: onnx.ModelProto) -> Any:
    return next(tensor for tensor in model.graph.initializer if tensor.name == "buff2fs")


def _values() -> NDArray[np.float32]:
    return np.asarray(numpy_helper.to_array(_stored(_model())), np.float32)


def _save(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _card(**source: Any) -> Card:
    card = find_card(NAME)
    assert card.source is not None
    return replace(card, source=replace(card.source, **source))


@pytest.mark.parametrize("place", [0, 7, -1])
@pytest.mark.parametrize("name", ["buff2fs", "", "initializer.9"])
def test_it_is_found_wherever_it_lies_and_whatever_it_is_called(
    place: int, name: str, tmp_path: Path
) -> None:
    model = _model()
    emap = onnx.TensorProto()
    emap.CopyFrom(_stored(model))
    model.graph.initializer.remove(_stored(model))
    emap.name = name
    rest = list(model.graph.initializer)
    rest.insert(place if place >= 0 else len(rest), emap)
    del model.graph.initializer[:]
    model.graph.initializer.extend(rest)
    found = load_emap(_card(), _save(tmp_path, model))
    assert found is not None
    np.testing.assert_array_equal(found, _values())
    assert not found.flags.writeable


@pytest.mark.parametrize("kind", ["raw", "listed", "half", "double"])
def test_it_is_read_however_it_is_stored(kind: str, tmp_path: Path) -> None:
    model = _model()
    tensor, values = _stored(model), _values()
    if kind == "listed":
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values.ravel().tolist())
    elif kind != "raw":
        narrow = np.float16 if kind == "half" else np.float64
        tensor.CopyFrom(numpy_helper.from_array(values.astype(narrow), "buff2fs"))
    found = load_emap(_card(), _save(tmp_path, model))
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, atol=2e-3 if kind == "half" else 0)


def _without(model: onnx.ModelProto) -> None:
    model.graph.initializer.remove(_stored(model))


def _twice(model: onnx.ModelProto) -> None:
    other = numpy_helper.from_array(np.eye(512, dtype=np.float32), "other")
    model.graph.initializer.append(other)


def _flat(model: onnx.ModelProto) -> None:
    _stored(model).CopyFrom(numpy_helper.from_array(np.ones((512, 512), np.float32), "buff2fs"))


def _infinite(model: onnx.ModelProto) -> None:
    values = np.full((512, 512), np.inf, np.float32)
    _stored(model).CopyFrom(numpy_helper.from_array(values, "buff2fs"))


def _read(model: onnx.ModelProto) -> None:
    """The only matrix is read by an operator, so it is a weight."""
    model.graph.node.insert(
        0, onnx.helper.make_node("MatMul", ["source", "buff2fs"], ["never"], name="reader")
    )


def _cut(model: onnx.ModelProto) -> None:
    _stored(model).raw_data = b"\0" * 1_000_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, "holds no emap"),
        (_twice, r"several matrices that could be the emap \((buff2fs, other|other, buff2fs)\)"),
        (_flat, "holds no emap"),
        (_infinite, "holds no emap"),
        (_read, "holds no emap"),
        (_cut, "holds no emap"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_model_without_its_emap_is_refused(change: Any, words: str, tmp_path: Path) -> None:
    model = _model()
    change(model)
    with pytest.raises(ModelError, match=words):
        load_emap(_card(), _save(tmp_path, model))


def test_a_matrix_that_a_subgraph_reads_is_a_weight(tmp_path: Path) -> None:
    model = _model()
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["buff2fs"], ["y"])],
        "inner",
        [],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    model.graph.node.append(
        onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    )
    with pytest.raises(ModelError, match="holds no emap"):
        load_emap(_card(), _save(tmp_path, model))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"\x3a\xff\xff\xff\xff\x0f", families.model_bytes(NAME)[:9000]):
        path.write_bytes(data)
        with pytest.raises(ModelError):
            load_emap(_card(), path)
    with pytest.raises(ModelError, match=r"from an \.onnx file only"):
        load_emap(_card(), tmp_path / "model.tflite")


def test_no_emap_is_read_where_the_card_asks_for_none(tmp_path: Path) -> None:
    assert load_emap(find_card("hyperswap_1a_256"), tmp_path / "absent.onnx") is None


def _side_file(folder: Path, values: NDArray[Any]) -> tuple[Path, str]:
    path = folder / "side.npy"
    np.save(path, values)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_side_file_is_read_where_its_hash_is_the_cards(tmp_path: Path) -> None:
    _, digest = _side_file(tmp_path, _values())
    card = _card(emap="side.npy", emap_sha256=digest)
    found = load_emap(card, tmp_path / "any.tflite")
    assert found is not None
    np.testing.assert_array_equal(found, _values())
    with pytest.raises(ModelError, match="not the emap that its card means"):
        load_emap(_card(emap="side.npy", emap_sha256="0" * 64), tmp_path / "any.tflite")
    with pytest.raises(ModelError, match="cannot read its emap"):
        load_emap(_card(emap="gone.npy", emap_sha256=digest), tmp_path / "any.tflite")


@pytest.mark.parametrize(
    "values",
    [np.eye(64), np.ones((512, 512)), np.eye(512, dtype=np.int64), np.array([{}], object)],
    ids=["small", "flat", "whole numbers", "objects"],
)
def test_a_side_file_that_is_no_emap_is_refused(values: NDArray[Any], tmp_path: Path) -> None:
    _, digest = _side_file(tmp_path, values)
    with pytest.raises(ModelError, match=r"holds no emap|is no \.npy file"):
        load_emap(_card(emap="side.npy", emap_sha256=digest), tmp_path / "any.onnx")


def test_it_survives_the_toolchain(edge_home: Path, tmp_path: Path) -> None:
    """Lifted, the rest optimised: the same pictures as those of the original file."""
    from quantize.passes import STANDARD, InputSpec, LiftEmap
    from tests.quantize.graphs import rewritten

    families.install(edge_home, NAME)
    picture = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    crop, who = Crop(picture, np.eye(2, 3)), np.random.default_rng(2).standard_normal(512)
    before, _ = open_swap_model(NAME, threads=1)._swap_crop(crop, who.astype(np.float32))

    models = edge_home / "data" / "models"
    side = models / "small.emap.npy"
    specs = {"source": InputSpec("unit")}
    small = rewritten(_model(), LiftEmap(side), *STANDARD, **specs).model
    assert "buff2fs" not in {tensor.name for tensor in small.graph.initializer}
    data = small.SerializeToString()
    (models / "small.onnx").write_bytes(data)
    from edge.resources import cards_dir

    text = (cards_dir() / f"{NAME}.toml").read_text(encoding="utf-8")
    digest = hashlib.sha256(side.read_bytes()).hexdigest()
    for old, new in {
        f'"{NAME}"': '"small"',
        f'"{NAME}.onnx"': '"small.onnx"',
        'sha256 = ""': f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
        "size = 554253681": f"size = {len(data)}",
        'emap = "model"': f'emap = "small.emap.npy"\nemap_sha256 = "{digest}"',
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    card = edge_home / "data" / "cards" / "small.toml"
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(text, encoding="utf-8")
    assert load_card(card).name == "small"
    after, _ = open_swap_model("small", threads=1)._swap_crop(crop, who.astype(np.float32))
    assert np.abs(before.astype(int) - after).max() <= 1
