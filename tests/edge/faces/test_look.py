"""One look: what a model says is decoded, held to what can be, and told in pixels of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.backends import open_session
from edge.cards import Card, find_card
from edge.errors import BackendError, CardError, ModelError
from edge.faces.look import Look
from edge.registry import locate
from tests import tiny


@pytest.fixture
def look(edge_home: Path) -> Look:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    tiny.install(edge_home)
    card = find_card("tiny_detector")
    return Look(card, open_session(locate(card), threads=1))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_what_it_finds_is_in_pixels_of_the_frame(look: Look, scale: float) -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    side = round(8 / scale)  # one cell of the smallest stride, as the model sees it
    frame[10 * side : 11 * side, 5 * side : 6 * side] = 255
    found = look.at(frame, scale, 0.5)
    assert found.scores.size == 1
    x, y, width, height = found.boxes[0]
    assert (x + width / 2, y + height / 2) == pytest.approx((5.5 * side, 10.5 * side), abs=side)
    assert found.sides[0] == pytest.approx(max(width, height) * scale, rel=0.01)


def test_tiles_find_what_the_whole_does(look: Look) -> None:
    frame = tiny.white_cells((240, 320), [(3, 4), (30, 20), (39, 29)])
    whole, tiled = look.at(frame, 1.0, 0.5), look.at(frame, 1.0, 0.5, 128 * 128)
    assert len(whole.boxes) == 3
    np.testing.assert_allclose(sorted(tiled.boxes.tolist()), sorted(whole.boxes.tolist()), atol=1)


def test_another_kind_of_card_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a swapper, but a detector is needed"):
        Look(find_card("tiny_swapper"), _Fake({}))


class _Fake:
    """A session that returns what it was told to, for a frame of 96 x 96."""

    inputs: tuple[str, ...] = ("frame",)
    engine = "ort"
    engine_version = "0"
    provider = "CPUExecutionProvider"

    def __init__(self, changes: Mapping[str, NDArray[np.float32]]) -> None:
        self.results: dict[str, NDArray[np.float32]] = {}
        for stride in (8, 16, 32):
            cells = (96 // stride) ** 2
            self.results[f"score_{stride}"] = np.zeros((1, cells, 1), np.float32)
            self.results[f"bbox_{stride}"] = np.ones((1, cells, 4), np.float32)
            self.results[f"kps_{stride}"] = np.zeros((1, cells, 10), np.float32)
            self.results[f"kps_{stride}"][..., :4] = (-1, -1, 2, -1)
        self.results.update(changes)
        self.outputs = tuple(self.results)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(self.results.values())


def _fake(card: Card, **changes: NDArray[np.float32]) -> Look:
    return Look(card, _Fake(changes))


@pytest.mark.parametrize(
    ("head", "value"), [("bbox", 1e30), ("bbox", -50.0), ("kps", 1e30), ("kps", 0.0)]
)
def test_degenerate_candidates_are_dropped(edge_home: Path, head: str, value: float) -> None:
    tiny.install(edge_home)
    width = {"bbox": 4, "kps": 10}[head]
    scores = np.zeros((1, 9, 1), np.float32)
    scores[0, 4] = 0.9
    wrong = np.full((1, 9, width), value, np.float32)
    look = _fake(find_card("tiny_detector"), score_32=scores, **{f"{head}_32": wrong})
    assert look.at(np.zeros((96, 96, 3), np.uint8), 1.0, 0.5).scores.size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "width"), [("score_32", 1), ("bbox_32", 4), ("kps_32", 10)])
def test_outputs_that_are_no_numbers_are_an_error(
    edge_home: Path, name: str, width: int, value: float
) -> None:
    tiny.install(edge_home)
    wrong = np.zeros((1, 9, width), np.float32)
    wrong[0, 3, 0] = value
    look = _fake(find_card("tiny_detector"), **{name: wrong})
    with pytest.raises(BackendError, match=f"output {name} holds values that are no numbers"):
        look.at(np.zeros((96, 96, 3), np.uint8), 1.0, 0.5)


@pytest.mark.parametrize(("name", "width"), [("score_8", 1), ("bbox_16", 4), ("kps_32", 10)])
def test_outputs_of_another_size_do_not_fit(edge_home: Path, name: str, width: int) -> None:
    tiny.install(edge_home)
    look = _fake(find_card("tiny_detector"), **{name: np.zeros((1, 3, width), np.float32)})
    with pytest.raises(ModelError, match=f"does not fit its card: output {name}"):
        look.at(np.zeros((96, 96, 3), np.uint8), 1.0, 0.5)
