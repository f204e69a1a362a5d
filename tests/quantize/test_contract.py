"""What a model takes and gives, from its card or from its graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.cards import all_cards, find_card
from edge.contracts import Card
from edge.errors import ModelError
from quantize.contract import contract_of, input_specs, picture_spec
from quantize.errors import ContractError
from quantize.passes import Clean, run_passes
from tests import families
from tests.quantize.cards import card_of, save
from tests.quantize.graphs import TOPOLOGIES, Sketch, embedding, reference_like


def carded(folder: Path, model: onnx.ModelProto, **values: Any) -> Card:
    return card_of(save(model, folder / "m.onnx"), **values)


def test_what_a_card_states(tmp_path: Path) -> None:
    model = reference_like()
    contract = contract_of(model, carded(tmp_path, model, mask="mask"))
    assert (contract.target, contract.source) == ("target", "source")
    assert (contract.picture, contract.picture_range, contract.mask) == ("output", (0, 1), "mask")
    assert not contract.derived
    assert contract.note == ""
    assert contract.inputs["target"].shape == (1, 3, 32, 32)
    assert contract.inputs["source"].shape == (1, 512)
    assert contract.inputs["source"].kind == "unit"


def test_the_reference_models_fit_their_card() -> None:
    card = find_card("ref_swapper")
    from edge.registry import locate

    contract = contract_of(onnx.load(str(locate(card))), card)
    assert contract.card is card
    assert contract.mask == "mask"


@pytest.mark.parametrize(
    ("mean", "std", "wanted"), [(0.0, 1.0, (0.0, 1.0)), (0.5, 0.5, (-1.0, 1.0))]
)
def test_pictures_lie_in_the_models_own_range(
    mean: float, std: float, wanted: tuple[float, float], tmp_path: Path
) -> None:
    model = reference_like()
    spec = picture_spec(carded(tmp_path, model, mean=mean, std=std).input)
    assert (spec.low, spec.high) == pytest.approx(wanted)


def renamed_input(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        if value.name == "target":
            value.name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "target" else name for name in node.input]


def third_input(model: onnx.ModelProto) -> None:
    extra = model.graph.input.add()
    extra.CopyFrom(model.graph.input[1])
    extra.name = "age"


@pytest.mark.parametrize(
    ("edit", "values", "words"),
    [
        (renamed_input, {}, "inputs are picture, source, the card names target, source"),
        (third_input, {}, "inputs are target, source, age"),
        (None, {"size": 64}, r"input 'target' has the shape \[1, 3, 32, 32\], the card says"),
        (None, {"mask": "veil"}, "no output 'veil'"),
        (None, {"mask": "output"}, r"output 'output' has the shape \[1, 3, 32, 32\]"),
    ],
)
def test_a_card_that_does_not_fit(edit: Any, values: Any, words: str, tmp_path: Path) -> None:
    model = reference_like()
    card = carded(tmp_path, model, **values)
    if edit is not None:
        edit(model)
    with pytest.raises(ContractError, match=words) as caught:
        contract_of(model, card)
    assert str(caught.value).startswith("card tiny_graph does not fit the model")


def test_a_card_of_another_kind() -> None:
    with pytest.raises(ContractError, match="card ref_embedder is of a recogniser"):
        contract_of(reference_like(), find_card("ref_embedder"))


def test_a_baked_model_has_no_source(tmp_path: Path) -> None:
    s = Sketch()
    x = s.input("target", 1, 3, 32, 32)
    s.op("Sigmoid", s.conv(x, 3, 3), output="output")
    model = s.model("output")
    contract = contract_of(model, carded(tmp_path, model))
    assert contract.source is None
    assert list(contract.inputs) == ["target"]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_without_a_card_the_graph_tells(name: str) -> None:
    model = TOPOLOGIES[name]()
    run_passes(model, (Clean(),)) if name == "hyperswap" else None
    contract = contract_of(model)
    assert contract.derived
    assert "a card would do better" in contract.note
    assert (contract.target, contract.source, contract.picture) == ("target", "source", "output")
    assert contract.mask == ("mask" if name in ("hyperswap", "reference") else None)
    assert contract.picture_range == (0.0, 1.0)


def bounded(kind: str, *bounds: float) -> onnx.ModelProto:
    s = Sketch()
    x = s.conv(s.input("x", 1, 3, 8, 8), 3, 3)
    y = s.op(kind, x, *[s.keep(bound) for bound in bounds])
    s.op("Identity", y, output="y")
    return s.model("y")


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (bounded("Tanh"), (-1.0, 1.0)),
        (bounded("Sigmoid"), (0.0, 1.0)),
        (bounded("Clip", -1.0, 1.0), (-1.0, 1.0)),
        (bounded("Clip", 0.0, 255.0), (0.0, 255.0)),
        (bounded("Clip", 0.0, np.inf), (0.0, 1.0)),
        (bounded("Relu"), (0.0, 1.0)),
    ],
)
def test_black_and_white_are_what_bounds_the_picture(
    model: onnx.ModelProto, wanted: tuple[float, float]
) -> None:
    assert contract_of(model).picture_range == wanted


def test_channels_may_come_last() -> None:
    s = Sketch()
    x = s.op("Transpose", s.input("x", 1, 8, 8, 3), perm=[0, 3, 1, 2])
    s.op("Transpose", s.op("Tanh", s.conv(x, 3, 3)), perm=[0, 2, 3, 1], output="y")
    contract = contract_of(s.model("y"))
    assert (contract.picture, contract.picture_range) == ("y", (-1.0, 1.0))


def test_a_model_without_a_picture_needs_a_card() -> None:
    s = Sketch()
    s.op("Relu", s.conv(s.input("x", 1, 3, 8, 8), 3, 7), output="features")
    with pytest.raises(ContractError, match=r"no output is a picture .*features.*--card"):
        contract_of(s.model("features"))


def test_open_sizes_stay_open() -> None:
    s = Sketch()
    s.op("Relu", s.conv(s.input("x", 1, 3, "h", "w"), 3, 3), output="y")
    assert input_specs(s.model("y"))["x"].shape is None


def test_an_embedding_becomes_what_the_source_is_fed(tmp_path: Path) -> None:
    model = reference_like()
    card = carded(tmp_path, model)
    long = embedding() * 7
    plain = contract_of(model, card).source_values(long[0])
    assert plain.shape == (1, 512)
    assert plain.dtype == np.float32
    assert np.allclose(plain, embedding(), atol=1e-6)
    emap = np.random.default_rng(1).standard_normal((512, 512)).astype(np.float32)
    assert np.allclose(contract_of(model, card, emap=emap).source_values(long), plain)
    asking = carded(tmp_path, model, emap="model")
    mapped = contract_of(model, asking, emap=emap).source_values(long)
    wanted = embedding() @ emap
    assert np.allclose(mapped, wanted / np.linalg.norm(wanted), atol=1e-6)


@pytest.mark.parametrize("bad", [np.zeros(512), np.ones(256), np.full(512, np.nan)])
def test_an_unusable_embedding(bad: Any, tmp_path: Path) -> None:
    model = reference_like()
    with pytest.raises(ContractError, match="the embedding holds"):
        contract_of(model, carded(tmp_path, model)).source_values(bad)


SWAPPERS = sorted(name for name, card in all_cards().items() if card.kind == "swapper")


@pytest.mark.parametrize("name", [name for name in SWAPPERS if name in families.BUILDERS])
def test_the_card_of_every_family_fits_its_graph(name: str, edge_home: Path) -> None:
    """Names by place are looked up; a picture or nothing as a source is no embedding."""
    families.install_with_needs(edge_home, name)
    card, model = find_card(name), onnx.load_from_string(families.model_bytes(name))
    assert card.source is not None
    contract = contract_of(model, card)
    assert (contract.target, contract.picture) == ("target", "output")
    assert set(contract.inputs) == {value.name for value in model.graph.input}
    assert (contract.mask is not None) == (card.picture is not None and card.picture.mask != "")
    if card.source.kind != "embedding":
        assert contract.source is None
        return
    assert contract.source == "source"
    values = contract.source_values(np.eye(1, 512, dtype=np.float32))
    assert values.shape == (1, 512)
    length = float(np.linalg.norm(values))
    assert (abs(length - 1) < 1e-4) == card.source.normalise


def test_a_converter_that_is_not_here_is_an_error(edge_home: Path) -> None:
    model = onnx.load_from_string(families.model_bytes("ghost_1_256"))
    contract = contract_of(model, find_card("ghost_1_256"))
    with pytest.raises(ModelError, match=r"crossface_ghost\.onnx not found"):
        contract.source_values(np.eye(1, 512, dtype=np.float32))


@pytest.mark.parametrize(("layout", "fits"), [("NHWC", True), ("NCHW", False)])
def test_a_card_whose_graph_takes_channels_last(layout: str, fits: bool, tmp_path: Path) -> None:
    s = Sketch()
    x = s.op("Transpose", s.input("target", 1, 32, 32, 3), perm=[0, 3, 1, 2])
    style = s.op("Gemm", s.input("source", 1, 512), s.noise(3, 512), transB=1)
    x = s.op("Add", x, s.op("Unsqueeze", style, s.ints(2, 3)))
    s.op("Sigmoid", x, output="output")
    model = s.model("output")
    card = carded(tmp_path, model)
    card = replace(card, input=replace(card.input, layout=layout))
    if fits:
        assert contract_of(model, card).inputs["target"].shape == (1, 32, 32, 3)
        return
    with pytest.raises(ContractError, match=r"'target' has the shape \[1, 32, 32, 3\]"):
        contract_of(model, card)


@pytest.mark.parametrize("kind", ["UINT8", "INT64", "FLOAT16"])
def test_an_input_that_is_not_float32_is_named(kind: str) -> None:
    model = reference_like()
    extra = onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.DataType.Value(kind), [1])
    model.graph.input.append(extra)
    for look in (contract_of, input_specs):
        with pytest.raises(ContractError, match=rf"input 'flag' takes {kind.lower()}, .*float32"):
            look(model)
