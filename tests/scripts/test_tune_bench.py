"""The bench that holds what `edge tune` chooses against engines that nobody tuned."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cards import find_card
from edge.errors import CardError
from edge.registry import locate
from edge.roofline import Roof
from edge.timing import Timing
from edge.trials import Trial
from edge.tune import Tuned
from scripts.tune_bench import (
    Folder,
    best_trials,
    forms_of,
    held_against,
    models_in,
    untuned_of,
    verdict,
)


def _timings(choice: float, again: float, **untuned: float) -> list[Timing]:
    times = {"the choice": choice, "the choice again": again, **untuned}
    return [Timing(name, 9, ms, ms, ms, ms) for name, ms in times.items()]


@pytest.mark.parametrize(
    ("times", "reached"),
    [
        ((1.0, 1.0, 2.0), True),
        ((1.0, 1.3, 0.97), True),  # as quick, but for chance
        ((1.1, 1.1, 1.0), False),
    ],
)
def test_a_choice_is_held_against_the_best(
    times: tuple[float, float, float], reached: bool
) -> None:
    choice, again, ort = times
    text, found = verdict(_timings(choice, again, openvino=9.0, ort=ort))
    assert found == reached
    assert "the best untuned, ort" in text


def test_a_busy_machine_s_medians_alone_prove_nothing() -> None:
    choice = Timing("the choice", 9, 2.0, 2.0, 2.0, 1.0)
    ort = Timing("ort", 9, 1.5, 1.5, 1.5, 1.0)
    assert verdict([choice, choice, ort])[1]
    assert not verdict([choice, choice, Timing("ort", 9, 1.5, 1.5, 1.5, 0.9)])[1]


def test_a_folders_models_come_beside_the_shipped_ones(tmp_path: Path) -> None:
    card = find_card("ref_swapper", "swapper")
    (tmp_path / "mine.onnx").write_bytes(b"x")
    (tmp_path / "no-card.onnx").write_bytes(b"x")
    from edge.cards import card_file

    (tmp_path / "mine.toml").write_bytes(card_file("ref_swapper").read_bytes())
    assert [name for name, _, _ in models_in(tmp_path, [])] == ["ref_swapper", "mine"]
    assert [name for name, _, _ in models_in(tmp_path, ["mine"])] == ["mine"]
    shelf = Folder()
    shelf.put(card, tmp_path / "mine.onnx")
    assert shelf.locate(card) == tmp_path / "mine.onnx"
    assert shelf.find("ref_detector").kind == "detector"
    with pytest.raises(CardError, match="is a swapper"):
        shelf.find("ref_swapper", "detector")


def test_the_choice_and_every_engine_run_in_turns() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    shelf = Folder()
    card = find_card("ref_swapper", "swapper")
    shelf.put(card, locate(card))
    assert forms_of("ref_swapper", shelf) == ["ref_swapper"]
    ways = [way for way in untuned_of(["ref_swapper"], shelf) if way.engine == "ort"]
    timed = Trial("ort", "ort 1", 1, timing=Timing("ort", 1, 1.0, 1.0, 1.0, 1.0))
    slower = Trial("ort", "ort 1", 2, timing=Timing("ort", 1, 2.0, 2.0, 2.0, 2.0))
    tuned = Tuned((timed, slower), ("ort",), {"ort": 1}, None, Roof(0))
    assert best_trials(tuned) == [timed]
    found = held_against(tuned, ways, shelf, 1)
    assert [timing.stage for timing in found] == ["the choice", "the choice again", "ort"]
    assert all(timing.rounds == 1 for timing in found)
