from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import BackendError, CardError
from edge.faces.align import TEMPLATES
from edge.faces.embed import Embedder, open_embedder
from edge.records import Face
from tests import families, tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def embedder(edge_home: Path) -> Embedder:
    tiny.install(edge_home)
    return open_embedder("tiny_embedder", threads=1)


def _face(x: float, y: float, side: float = 112) -> Face:
    points = (TEMPLATES["arcface_112_v2"] * side + (x, y)).astype(np.float32)
    return Face(box=(x, y, side, side), score=1.0, landmarks=points)


def _frame(seed: int) -> NDArray[np.uint8]:
    cells = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return cells.repeat(16, axis=0).repeat(16, axis=1)


def test_an_embedding_has_512_numbers_and_unit_length(embedder: Embedder) -> None:
    embedding = embedder.embed(_frame(0), _face(60, 60))
    assert embedding.dtype == np.float32
    assert embedding.shape == (512,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)
    assert embedder.use.kind == "recogniser"
    assert embedder.match_threshold == 0.35


def test_it_is_the_aligned_crop_that_counts(embedder: Embedder) -> None:
    frame = _frame(1)
    moved = np.roll(frame, (16, 32), axis=(0, 1))
    here, there = embedder.embed(frame, _face(60, 60)), embedder.embed(moved, _face(92, 76))
    assert here @ there == pytest.approx(1, abs=1e-4)
    assert here @ embedder.embed(_frame(2), _face(60, 60)) < 0.99


def test_channels_are_in_the_models_order(embedder: Embedder) -> None:
    """The embedding of a plain colour, worked out by hand from the model's constants."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(tiny.embedder())
    weights = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    blue_green_red = np.array([10, 120, 250])
    frame = np.broadcast_to(blue_green_red.astype(np.uint8), (200, 200, 3)).copy()
    values = (blue_green_red[::-1] / 127.5 - 1).repeat(64) @ weights["projection"]
    expected = values / np.linalg.norm(values)
    np.testing.assert_allclose(embedder.embed(frame, _face(40, 40)), expected, atol=1e-4)


def test_an_embedding_of_nothing_is_an_error(edge_home: Path) -> None:
    body = tiny.RECOGNISER.replace("length = 512", "length = 128")
    tiny.install_one(edge_home, "short", "recogniser", body, tiny.embedder())
    with pytest.raises(BackendError, match="gave 512 numbers"):
        open_embedder("short").embed(_frame(0), _face(60, 60))


def test_a_card_states_its_own_threshold(edge_home: Path) -> None:
    body = tiny.RECOGNISER.replace("length = 512", "length = 512\nmatch_threshold = 0.5")
    tiny.install_one(edge_home, "strict", "recogniser", body, tiny.embedder())
    assert open_embedder("strict").match_threshold == 0.5


def test_a_model_of_another_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a swapper, but a recogniser is needed"):
        open_embedder("tiny_swapper")


@pytest.mark.parametrize("name", ["input", "input.1"])
def test_either_export_of_arcface_is_taken_and_brought_to_unit_length(
    name: str, edge_home: Path
) -> None:
    """X / 127.5 - 1 in RGB goes in; what comes out has some other length."""
    import onnxruntime

    data = families.arcface(name).SerializeToString()
    families.install(edge_home, "arcface_w600k_r50", data)
    frame, face = _frame(3), _face(60, 60)
    embedding = open_embedder("arcface_w600k_r50", threads=1).embed(frame, face)
    crop = frame[60:172, 60:172, ::-1].astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (raw,) = session.run(None, {name: crop})
    length = float(np.linalg.norm(raw))
    assert not 0.9 < length < 1.1
    np.testing.assert_allclose(embedding, raw[0] / length, atol=1e-4)
