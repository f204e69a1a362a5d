"""Every family's contract, against plain arithmetic from its description and not from its card.

The numbers below are what each model's own pipeline does. The recorder sits between our code and
the engine: what goes in is compared with the arithmetic, and so is what is made of what comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from edge.backends.base import Session
from edge.cards import all_cards, find_card
from edge.records import Crop, Face
from edge.swapmodel import SwapModel, open_swap_model
from tests import families
from tests.quantize.graphs import Sketch

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

V1 = """
    0.35473214 0.45658929 0.64526786 0.45658929 0.5 0.61154464
    0.37913393 0.776875 0.62086607 0.776875
"""
V2 = """
    0.34191607 0.46157411 0.65653393 0.45983393 0.500225 0.64050536
    0.37097589 0.82469196 0.63151696 0.82325089
"""
A128 = """
    0.36167656 0.40387734 0.63696719 0.40235469 0.50019687 0.56044219
    0.38710391 0.72160547 0.61507734 0.72034453
"""
FFHQ = """
    0.37691676 0.46864664 0.62285697 0.46912813 0.50123859 0.61331904
    0.39308822 0.725411 0.61150205 0.72490465
"""
MTCNN = """
    0.36562865 0.46733799 0.63305391 0.46585885 0.50019127 0.61942959
    0.39032951 0.77598822 0.61178945 0.77476328
"""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SHIPPED = {"ref_swapper", "ref_swapper_256"}  # read from their own files by other tests
UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)


@dataclass(frozen=True)
class Gold:
    """What a model's own pipeline does: see the facts that the cards were written from."""

    size: int
    template: str
    source: str  # emap, converted, converted-raw, embedding, picture, baked
    norm: tuple[Any, Any] = PLAIN
    range: tuple[float, float] = UNIT
    mask: bool = False
    affine: bool = False
    offset: float = 0.0
    source_crop: tuple[str, int] | None = None


GOLD = {
    "inswapper_128": Gold(128, A128, "emap"),
    "inswapper_128_fp16": Gold(128, A128, "emap"),
    "reswapper_128": Gold(128, A128, "emap"),
    "reswapper_256": Gold(256, A128, "emap", offset=128 / 32768 * 256 - 0.5),
    "simswap_256": Gold(256, V1, "converted", IMAGENET),
    "simswap_unofficial_512": Gold(512, V1, "converted"),
    "ghost_1_256": Gold(256, V1, "converted-raw", HALF, SIGNED),
    "ghost_2_256": Gold(256, V1, "converted-raw", HALF, SIGNED),
    "ghost_3_256": Gold(256, V1, "converted-raw", HALF, SIGNED),
    "hififace_unofficial_256": Gold(256, MTCNN, "converted", HALF, SIGNED),
    "hyperswap_1a_256": Gold(256, A128, "embedding", HALF, SIGNED, mask=True),
    "hyperswap_1b_256": Gold(256, A128, "embedding", HALF, SIGNED, mask=True),
    "hyperswap_1c_256": Gold(256, A128, "embedding", HALF, SIGNED, mask=True),
    "uniface_256": Gold(256, FFHQ, "picture", HALF, SIGNED, source_crop=(FFHQ, 256)),
    "blendswap_256": Gold(256, FFHQ, "picture", source_crop=(V2, 112)),
    "mobilefaceswap_224": Gold(224, V2, "baked", mask=True, affine=True),
}

# Operators of the real graphs, counted.
TOPOLOGY: dict[str, dict[str, int]] = {
    "inswapper_128": {
        "Conv": 20, "Gemm": 12, "Pad": 14, "ReduceMean": 24, "Sqrt": 12, "Reciprocal": 12,
        "Resize": 2, "LeakyRelu": 7, "Relu": 6, "Tanh": 1,
    },
    "simswap_256": {"Conv": 26, "Gemm": 18, "Pad": 20, "ReduceMean": 36, "Resize": 3},
    "simswap_unofficial_512": {"Conv": 28, "Pad": 20, "Resize": 4},
    "ghost_1_256": {
        "Conv": 59, "Gemm": 26, "Sigmoid": 13, "Expand": 26, "ConvTranspose": 7, "Resize": 8,
        "Pad": 0,
    },
    "hyperswap_1a_256": {
        "Conv": 98, "Gemm": 42, "Expand": 42, "Sigmoid": 22, "ConvTranspose": 9, "Resize": 8,
        "DepthToSpace": 1, "MaxPool": 4, "Pad": 1,
    },
    "blendswap_256": {"BatchNormalization": 78, "PRelu": 50, "InstanceNormalization": 0},
    "mobilefaceswap_224": {"Conv": 32, "LeakyRelu": 16, "Resize": 9, "Sigmoid": 1, "Tanh": 1},
}  # fmt: skip


class Recorder:
    """A session that remembers what went in and came out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.engine, self.engine_version = session.engine, session.engine_version
        self.provider = session.provider
        self.free_batch = getattr(session, "free_batch", False)
        self.fed: list[dict[str, NDArray[Any]]] = []
        self.given: list[dict[str, NDArray[Any]]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        results = self._session.run(feeds)
        self.fed.append(dict(feeds))
        self.given.append(dict(zip(self.outputs, results, strict=True)))
        return results


def recorded(model: SwapModel) -> Recorder:
    recorder = Recorder(model._session)
    model._session = recorder
    return recorder


def opened(home: Path, name: str, **options: Any) -> SwapModel:
    families.install_with_needs(home, name)
    return open_swap_model(name, threads=1, **options)


def _picture(size: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def _embedding(seed: int = 2) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).standard_normal(512)
    return (values / np.linalg.norm(values)).astype(np.float32)


def _source(name: str) -> NDArray[Any] | None:
    gold = GOLD[name]
    if gold.source == "baked":
        return None
    return _picture(gold.source_crop[1], 3) if gold.source_crop else _embedding()


def _tensor(picture: NDArray[np.uint8], norm: tuple[Any, Any]) -> NDArray[np.float64]:
    """RGB, to [0, 1], minus mean, by deviation, channels first."""
    rgb = picture[..., ::-1].astype(np.float64) / 255
    values = (rgb - np.array(norm[0])) / np.array(norm[1])
    return np.asarray(values.transpose(2, 0, 1)[None], np.float64)


def _points(template: str) -> NDArray[np.float64]:
    return np.array(template.split(), float).reshape(5, 2)


def _fitted(landmarks: NDArray[np.float64], gold: Gold, times: int = 1) -> NDArray[np.float64]:
    """Least squares over all equations at once: four unknowns, or six."""
    goals = _points(gold.template) * gold.size * times + gold.offset * times
    rows, right = [], []
    for (x, y), (u, v) in zip(landmarks, goals, strict=True):
        if gold.affine:
            rows += [[x, y, 1, 0, 0, 0], [0, 0, 0, x, y, 1]]
        else:
            rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        right += [u, v]
    found = np.linalg.lstsq(np.array(rows, float), np.array(right), rcond=None)[0]
    if gold.affine:
        return np.asarray(found.reshape(2, 3), np.float64)
    a, b, c, d = found
    return np.array([[a, -b, c], [b, a, d]])


def _emap(name: str) -> NDArray[np.float64]:
    model = onnx.load_from_string(families.model_bytes(name))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    return numpy_helper.to_array(stored["buff2fs"]).astype(np.float64)


def _converted(name: str, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the converter gives, by the reference implementation of the operators."""
    from onnx.reference import ReferenceEvaluator

    converter = name.replace("_unofficial", "").split("_")[0]
    model = onnx.load_from_string(families.model_bytes(f"crossface_{converter}"))
    (result,) = ReferenceEvaluator(model).run(None, {"input": embedding.reshape(1, -1)})
    return np.asarray(result, np.float64)


def _latent(name: str, source: NDArray[Any]) -> NDArray[np.float64]:
    gold = GOLD[name]
    if gold.source_crop:
        return _tensor(source, PLAIN)
    unit = source.astype(np.float64).reshape(1, -1) / np.linalg.norm(source.astype(np.float64))
    if gold.source == "embedding":
        return unit
    if gold.source == "emap":
        latent = unit @ _emap(name)
        return latent / np.linalg.norm(latent)
    latent = _converted(name, source)
    return latent if gold.source == "converted-raw" else latent / np.linalg.norm(latent)


def test_every_card_of_a_swap_model_has_its_numbers_and_its_graph() -> None:
    swappers = {name for name, card in all_cards().items() if card.kind == "swapper"}
    assert swappers - set(SHIPPED) == set(GOLD)
    kinds = ("swapper", "converter")
    needed = {name for name, card in all_cards().items() if card.kind in kinds}
    assert needed - set(SHIPPED) <= set(families.BUILDERS)


@pytest.mark.parametrize("name", GOLD)
def test_what_goes_in_and_what_is_made_of_what_comes_out(name: str, edge_home: Path) -> None:
    gold = GOLD[name]
    model = opened(edge_home, name)
    recorder = recorded(model)
    crop, source = Crop(_picture(gold.size), np.eye(2, 3)), _source(name)
    picture, mask = model._swap_crop(crop, source)
    fed, given = recorder.fed[0], recorder.given[0]
    np.testing.assert_allclose(fed["target"], _tensor(crop.picture, gold.norm), atol=1e-4)
    assert fed["target"].dtype == np.float32
    if source is None:
        assert set(fed) == {"target"}
    else:
        np.testing.assert_allclose(fed["source"], _latent(name, source), atol=1e-4)
    black, white = gold.range
    rgb = (given["output"][0].astype(np.float64) - black) / (white - black)
    assert -0.3 < rgb.mean() < 1.3
    bgr = rgb[::-1].transpose(1, 2, 0) * 255
    assert picture.shape == (gold.size, gold.size, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture - np.clip(bgr, 0, 255)).max() <= 0.5 + 1e-3
    assert mask.shape == (gold.size, gold.size)
    if gold.mask:
        # The picture is composited already, so it is used wherever its mask shows at all.
        np.testing.assert_allclose(mask, np.clip(given["mask"][0, 0] * 4, 0, 1), atol=1e-6)
    else:
        assert (mask == 1).all()


LANDMARKS = np.array([[210, 190], [301, 204], [251, 255], [204, 300], [280, 312]], float)


@pytest.mark.parametrize("name", GOLD)
def test_the_crop_is_where_the_models_own_pipeline_cuts_it(name: str, edge_home: Path) -> None:
    gold = GOLD[name]
    model = opened(edge_home, name)
    face = Face((190.0, 150.0, 130.0, 190.0), 1.0, LANDMARKS.astype(np.float32))
    crop = model.align(_picture(480), face)
    np.testing.assert_allclose(crop.matrix, _fitted(LANDMARKS, gold), atol=1e-4)
    assert crop.picture.shape == (gold.size, gold.size, 3)
    card = find_card(name)
    if gold.source_crop:
        assert card.source is not None
        assert card.source.crop is not None
        from edge.faces.align import align_to

        other = Gold(gold.source_crop[1], gold.source_crop[0], "picture")
        found = align_to(_picture(480), face, card.source.crop).matrix
        np.testing.assert_allclose(found, _fitted(LANDMARKS, other), atol=1e-4)


@pytest.mark.parametrize("name", TOPOLOGY)
def test_the_graphs_have_the_operators_of_the_real_ones(name: str) -> None:
    model = onnx.load_from_string(families.model_bytes(name))
    counted = Counter(node.op_type for node in model.graph.node)
    assert {kind: counted[kind] for kind in TOPOLOGY[name]} == TOPOLOGY[name]


MILLIONS = {
    "inswapper_128": 138.29 + 0.262,  # and its emap
    "reswapper_256": 138.29 + 0.262,
    "simswap_256": 55.1,
    "simswap_unofficial_512": 55.1,
    "ghost_1_256": 128.5,
    "ghost_2_256": 184.4,
    "ghost_3_256": 240.2,
    "hyperswap_1a_256": 201.25,
    "blendswap_256": 415.4,
    "mobilefaceswap_224": 0.5,
    "crossface_simswap": 5.52,
}
"""Weights of the real models."""


class Counting(Sketch):
    """Counts weights instead of making them: up to a gigabyte each."""

    def noise(self, *shape: int, scale: float = 1.0, shift: float = 0.0) -> str:
        self.shapes = [*getattr(self, "shapes", ()), shape]
        return self.keep(0.0)

    def model(self, *outputs: str) -> Any:
        return self.shapes


@pytest.mark.parametrize("name", MILLIONS)
def test_full_width_has_the_weights_of_the_real_ones(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blend = type("CountingBlend", (Counting, families.BlendSketch), {})
    monkeypatch.setattr(families, "Sketch", Counting)
    monkeypatch.setattr(families, "BlendSketch", blend)
    shapes: Any = families.FULL[name]()
    count = sum(int(np.prod(shape)) for shape in shapes)
    assert count / 1e6 == pytest.approx(MILLIONS[name], rel=0.005)
    graph = find_card(name).graph
    # Whether BlendSwap's file has the layers of its repository, nobody here could establish.
    assert (graph is None) == (name == "blendswap_256")
    assert graph is None or count == pytest.approx(graph.parameters, rel=0.005)
    have = Counter("x".join(map(str, shape)) for shape in shapes)
    for text in () if graph is None else graph.weights:
        least, shape = text.split(" * ")
        assert have[shape] == int(least)


def test_every_full_width_is_counted() -> None:
    assert set(MILLIONS) == set(families.FULL)


def test_a_full_width_graph_is_a_model() -> None:
    """The small ones; the others are built for benches."""
    for name in ("mobilefaceswap_224", "crossface_simswap"):
        onnx.checker.check_model(families.FULL[name]())


def test_facefusions_latent_is_not_brought_to_unit_length_again() -> None:
    from dataclasses import replace

    from edge.latent import latent_of

    spec = find_card("inswapper_128").source
    assert spec is not None
    emap = (_emap("inswapper_128") * 3).astype(np.float32)
    ours = latent_of(_embedding(), spec, emap=emap)
    theirs = latent_of(_embedding(), replace(spec, latent="facefusion"), emap=emap)
    np.testing.assert_allclose(np.linalg.norm(ours), 1, atol=1e-5)
    np.testing.assert_allclose(
        theirs, _embedding()[None].astype(float) @ emap, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(theirs / np.linalg.norm(theirs), ours, atol=1e-5)


@pytest.mark.parametrize("name", GOLD)
def test_a_boost_swaps_interleaved_crops(name: str, edge_home: Path) -> None:
    gold = GOLD[name]
    model = opened(edge_home, name, boost=2)
    assert model.size == 2 * gold.size
    recorder = recorded(model)
    crop, source = Crop(_picture(2 * gold.size), np.eye(2, 3)), _source(name)
    picture, mask = model._swap_crop(crop, source)
    assert len(recorder.fed) == 4
    for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        part = crop.picture[row::2, column::2]
        np.testing.assert_allclose(
            recorder.fed[number]["target"], _tensor(part, gold.norm), atol=1e-4
        )
    black, white = gold.range
    output = recorder.given[2]["output"][0]  # rows 1, 3, .. and columns 0, 2, ..
    bgr = np.clip((output[::-1].transpose(1, 2, 0) - black) / (white - black) * 255, 0, 255)
    assert np.abs(picture[1::2, 0::2] - bgr).max() <= 0.51
    assert mask.shape == (2 * gold.size, 2 * gold.size)


@pytest.mark.parametrize("name", ["inswapper_128", "ghost_1_256", "hyperswap_1a_256"])
def test_many_faces_go_in_one_run_where_the_batch_is_open(name: str, edge_home: Path) -> None:
    builders: dict[str, Callable[..., Any]] = {
        "inswapper_128": families.inswapper,
        "ghost_1_256": families.ghost,
        "hyperswap_1a_256": families.hyperswap,
    }
    families.install_with_needs(edge_home, name)
    fixed = open_swap_model(name, threads=1)
    families.install(edge_home, name, builders[name](batch="faces").SerializeToString())
    free = open_swap_model(name, threads=1)
    assert (fixed.batch, free.batch > 1) == (1, True)
    recorder = recorded(free)
    crops = [Crop(_picture(GOLD[name].size, seed), np.eye(2, 3)) for seed in range(3)]
    together = free._swap_crops(crops, _embedding())
    assert len(recorder.fed) == 1
    alone = [fixed._swap_crop(crop, _embedding()) for crop in crops]
    for (one, one_mask), (other, other_mask) in zip(together, alone, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
        np.testing.assert_allclose(one_mask, other_mask, atol=1e-3)
