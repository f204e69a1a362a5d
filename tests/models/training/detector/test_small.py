"""The detector in 8 bits is the detector: same inputs, same outputs, any size, nearly the same."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from edge.cards import load_card
from models.training.detector.small import NAME, as_input, frames, smaller
from models.training.runs import CARDS, WEIGHTS

FLOAT = WEIGHTS / "ref_detector.onnx"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    made = smaller(FLOAT, frames(6))
    assert not made.left_float
    onnx.save(made.model, str(path))
    return path


def outputs(path: Path, feed: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, {"frame": feed}), strict=True))


def test_it_is_a_third_of_the_size(small: Path) -> None:
    assert small.stat().st_size < FLOAT.stat().st_size / 3


@pytest.mark.parametrize("shape", [(320, 320), (192, 256)])
def test_a_frame_of_any_size(small: Path, shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    picture[: min(shape[0], 320), : min(shape[1], 320)] = frames(7)[6][: shape[0], : shape[1]]
    wanted, got = outputs(FLOAT, as_input(picture)), outputs(small, as_input(picture))
    assert set(wanted) == set(got)
    for name, value in wanted.items():
        assert got[name].shape == value.shape
        if name.startswith("score"):
            assert float(np.abs(got[name] - value).max()) < 0.25


def test_it_sees_the_face_where_the_float_one_does(small: Path) -> None:
    feed = as_input(frames(8)[7])
    wanted, got = outputs(FLOAT, feed), outputs(small, feed)
    scores = {name: value.max() for name, value in wanted.items() if name.startswith("score")}
    best = max(scores, key=lambda name: scores[name])
    assert wanted[best].max() > 0.5
    assert int(got[best].argmax()) == int(wanted[best].argmax())


def test_the_shipped_one_has_a_card_of_its_own() -> None:
    card, float_card = load_card(CARDS / f"{NAME}.toml"), load_card(CARDS / "ref_detector.toml")
    assert card.detector == float_card.detector
    assert (WEIGHTS / card.file).stat().st_size == card.size
