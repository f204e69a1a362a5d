"""A float model and what was made of it, side by side: the whole way, on a tiny swapper."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.cards import find_card
from edge.contracts import CropSpec, SourceSpec
from edge.errors import CardError
from edge.timing import MOST_ROUNDS
from quantize.candidate import Measured, Setting
from quantize.compare import _candidate, compare
from quantize.comparison import Comparison, Row
from quantize.errors import ContractError, MeasureError, ModelFileError
from quantize.samples import samples_of
from tests import tiny
from tests.quantize.graphs import Sketch
from tests.quantize.measured import card, comparison, row, shifted

# The package offers the function under the same name, so the module is fetched by its own.
compared = sys.modules[compare.__module__]


@pytest.fixture
def swapper(edge_home: Path, tmp_path: Path) -> Path:
    """The tiny swapper, under a name of its own; its card and recogniser are installed."""
    tiny.install(edge_home)
    path = tmp_path / "float.onnx"
    path.write_bytes(tiny.swapper())
    return path


def _brighter(path: Path, amount: float) -> Path:
    """A copy of the tiny swapper whose pictures are brighter."""
    model = onnx.load_from_string(tiny.swapper())
    last = next(node for node in model.graph.node if node.output[0] == "output")
    last.output[0] = "plain"
    model.graph.node.append(onnx.helper.make_node("Add", ["plain", "more"], ["output"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(amount, np.float32), "more"))
    onnx.save(model, path)
    return path


def test_the_whole_way(swapper: Path, tmp_path: Path) -> None:
    good = _brighter(tmp_path / "good.onnx", 0.01)
    Path(f"{good}.json").write_text(json.dumps({"target": "jetson", "precision": "int8"}))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    page = tmp_path / "report.html"
    told: list[tuple[int, int | None]] = []

    made = compare(
        swapper,
        [good, broken, swapper, good],
        report=page,
        count=2,
        rounds=3,
        threads=1,
        progress=lambda done, total, what: told.append((done, total)),
    )

    assert made.card == "tiny_swapper"
    assert made.reference.name == "float.onnx"
    assert [each.name for each in made.candidates] == ["good.onnx", "broken.onnx"]
    first, second = made.candidates
    assert first.scores is not None
    assert first.scores.psnr_worst == pytest.approx(40, abs=0.05)
    assert first.scores.identity_cosine is not None
    assert (first.kernels, first.precision, first.target) == ("precise", "int8", "jetson")
    assert first.timing is not None
    assert first.timing.rounds == 3
    assert first.memory_added
    assert first.providers["CPUExecutionProvider"] >= 1
    assert first.worst is not None
    assert first.worst.picture is not None
    assert "not an ONNX model" in second.trouble
    assert second.timing is None
    assert made.reference.timing is not None
    assert made.reference.timing.ratio == 1
    assert told == [(n, 8) for n in range(1, 9)]
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 3
    assert json.loads((tmp_path / "report.json").read_text())["candidates"][1]["trouble"]
    assert made.versions["onnxruntime"]


def _judged(monkeypatch: pytest.MonkeyPatch) -> list[Setting]:
    """Take the place of what runs models; return the settings that it was asked to run with."""
    seen: list[Setting] = []

    def measure(
        named: dict[Path, str],
        setting: Setting,
        rounds: int,
        notes: Sequence[str],
        progress: Any,
    ) -> Comparison:
        seen.append(setting)
        return replace(comparison(*(row(name) for name in named.values())), notes=tuple(notes))

    monkeypatch.setattr(compared, "_measure", measure)
    return seen


def test_swaps_of_nobody_are_shown(swapper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _judged(monkeypatch)
    compare(swapper, [_brighter(swapper.with_name("a.onnx"), 0.1)], count=1)
    assert seen[0].show_swaps
    assert "nobody" in seen[0].samples.origin


def test_swaps_of_a_users_people_are_not_shown(
    swapper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _judged(monkeypatch)
    feeds = {
        "target": np.zeros((1, 3, 128, 128), np.float32),
        "source": np.ones((1, 512), np.float32),
    }
    other = _brighter(swapper.with_name("a.onnx"), 0.1)
    made = compare(swapper, [other], samples=samples_of([feeds], "the user's own"))
    assert not seen[0].show_swaps
    assert any("no consent" in note for note in made.notes)


def test_swaps_of_a_baked_identity_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _judged(monkeypatch)
    for name, amount in (("float.onnx", 0.0), ("other.onnx", 0.1)):
        onnx.save(shifted(amount), tmp_path / name)
    made = compare(tmp_path / "float.onnx", [tmp_path / "other.onnx"], count=1)
    assert not seen[0].show_swaps
    assert any("baked in" in note for note in made.notes)
    assert any("a card would do better" in note for note in made.notes)


def test_swaps_of_drawn_source_pictures_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _judged(monkeypatch)
    sketch = Sketch()
    target, source = (sketch.input(name, 1, 3, 16, 16) for name in ("target", "source"))
    sketch.op("Add", target, source, output="output")
    model, other = tmp_path / "float.onnx", tmp_path / "other.onnx"
    onnx.save(sketch.model("output"), model)
    onnx.save(shifted(0.1), other)
    plain = card()
    crop = CropSpec("arcface_128", 16)
    picture = replace(plain.input, name="source")
    given = SourceSpec("source", "picture", "", False, 512, picture=picture, crop=crop)
    made = compare(model, [other], card=replace(plain, source=given), count=1)
    assert seen[0].contract.source_picture == "source"
    assert seen[0].show_swaps
    assert not any("baked in" in note for note in made.notes)


def test_files_of_one_name_are_told_apart(
    swapper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _judged(monkeypatch)
    (tmp_path / "x").mkdir()
    twin = _brighter(tmp_path / "x" / swapper.name, 0.1)
    made = compare(swapper, [twin], count=1)
    assert [each.name for each in made.candidates] == [str(swapper), str(twin)]


@pytest.mark.parametrize("kind", ["name", "file", "path", "record"])
def test_a_card_comes_in_any_form(
    kind: str, swapper: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _judged(monkeypatch)
    file = edge_home / "data" / "cards" / "tiny_swapper.toml"
    forms = {
        "name": "tiny_swapper",
        "file": str(file),
        "path": file,
        "record": find_card("tiny_swapper"),
    }
    model = _brighter(swapper.with_name("a.onnx"), 0.1)  # its hash is in no card
    compare(model, [swapper], card=forms[kind], count=1)  # type: ignore[arg-type]
    assert seen[0].contract.card is not None
    compare(model, [swapper], count=1)
    assert seen[1].contract.card is None


def test_a_card_that_does_not_fit_is_an_error(swapper: Path, tmp_path: Path) -> None:
    onnx.save(shifted(0.1), tmp_path / "other.onnx")
    with pytest.raises(ContractError):
        compare(tmp_path / "other.onnx", [swapper], card="tiny_swapper")
    with pytest.raises(ContractError, match="a swapper is needed"):
        compare(swapper, [tmp_path / "other.onnx"], card="tiny_embedder")
    with pytest.raises(CardError):
        compare(swapper, [tmp_path / "other.onnx"], card="no_such_card")


def test_nothing_to_compare_is_an_error(swapper: Path, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="nothing to compare"):
        compare(swapper, [])
    with pytest.raises(MeasureError, match="nothing to compare"):
        compare(swapper, [swapper, tmp_path / "." / swapper.name])
    with pytest.raises(MeasureError, match=r"missing\.onnx: no such file"):
        compare(swapper, [tmp_path / "missing.onnx"])
    with pytest.raises(MeasureError, match="no plain file"):
        compare(swapper, [tmp_path])
    with pytest.raises(MeasureError, match=r"missing\.onnx: no such file"):
        compare(tmp_path / "missing.onnx", [swapper])


@pytest.mark.parametrize("name", ["rounds", "count", "threads"])
def test_numbers_below_one_are_refused(swapper: Path, tmp_path: Path, name: str) -> None:
    other = _brighter(tmp_path / "a.onnx", 0.1)
    with pytest.raises(MeasureError, match=f"{name} must be 1 or more, not 0"):
        compare(swapper, [other], **{name: 0})  # type: ignore[arg-type]


def test_rounds_without_end_are_refused(swapper: Path, tmp_path: Path) -> None:
    other = _brighter(tmp_path / "a.onnx", 0.1)
    with pytest.raises(MeasureError, match="rounds must be 100000 or fewer, not 100001"):
        compare(swapper, [other], rounds=MOST_ROUNDS + 1)


def test_a_broken_float_model_is_an_error(swapper: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        compare(broken, [swapper])


def test_a_bad_place_for_the_report_is_said_before_anything_runs(
    swapper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = _brighter(tmp_path / "a.onnx", 0.1)
    monkeypatch.setattr(compared, "load_model", None)
    with pytest.raises(MeasureError, match="no folder"):
        compare(swapper, [other], report=tmp_path / "nowhere" / "report.html")
    with pytest.raises(MeasureError, match=r"is the JSON of a\.onnx"):
        compare(swapper, [other], report=tmp_path / "a.html")


def test_an_unforeseen_fault_of_a_candidate_is_not_swallowed(
    swapper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: Any) -> Measured:
        raise ZeroDivisionError

    monkeypatch.setattr(compared, "measure_candidate", fault)
    first = Measured(Row("float.onnx", "onnx", 1, 1.0))
    with pytest.raises(ZeroDivisionError):
        _candidate(swapper, "a", None, first)  # type: ignore[arg-type]
