"""Tuning: the quickest way that shows what it should, and what becomes of it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge import timing, trials, tune
from edge.bundle.opening import open_bundle
from edge.bundle.tuning import save_tuning, tuning_path
from edge.cli import main
from edge.cli.tune import _lines
from edge.errors import BackendError, BundleError, CardError, UsageError
from edge.faces.detect import open_detector
from edge.machine import this_machine
from edge.power import PowerState
from edge.roofline import Roof
from edge.shelf import Shelf
from edge.throttle import ThrottleState
from edge.timing import Timing
from edge.trials import Trial
from edge.tune import Tuned, tune_bundle, tune_models
from tests import tiny
from tests.bundles import VARIANT, Made, baked_card, bundle
from tests.scene import target

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

QUICK = {**VARIANT, "name": "quick"}
FUTURE = {**VARIANT, "name": "future", "oldest": "99.0"}


@pytest.fixture
def made(edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a bundle whose detector, which knows no real face, is shown what it knows."""

    def sample(name: str, shelf: Shelf) -> Any:
        detector = open_detector("tiny_detector" if name == "ref_detector" else name, shelf=shelf)
        frame = target()
        return frame, detector.detect(frame)[:2], detector

    monkeypatch.setattr(trials, "sample_of", sample)
    return bundle(edge_home, tmp_path)


def _quality(made: Made, **worst: float) -> None:
    formats = {form: {"quality": {"worst": {"psnr": value}}} for form, value in worst.items()}
    (made.folder / "quality.json").write_text(json.dumps({"formats": formats}), encoding="utf-8")


def _other(made: Made) -> dict[str, Any]:
    """Add a model that shows somebody else; return the way that runs it."""
    data = (made.folder / "models" / "tiny_baked.onnx").read_bytes()
    model = onnx.load_from_string(data)
    colour = next(each for each in model.graph.initializer if each.name == "colour")
    colour.CopyFrom(tiny._constant("colour", np.array([0.1, 0.9, 0.1]).reshape(1, 3, 1, 1)))
    changed = model.SerializeToString()
    (made.folder / "models" / "tiny_other.onnx").write_bytes(changed)
    card = baked_card(made.stage.identity.commitment, changed, "tiny_other")
    (made.folder / "cards" / "tiny_other.toml").write_text(card, encoding="utf-8")
    return {**VARIANT, "name": "other", "card": "tiny_other"}


def test_the_order_is_written_and_taken(made: Made) -> None:
    made.seal(variants=[VARIANT, QUICK, FUTURE])
    rounds: list[tuple[int, int]] = []
    tuned = tune_bundle(
        made.folder, threads=[1], rounds=3, told=lambda done, total: rounds.append((done, total))
    )
    assert set(tuned.order) == {"ort", "quick"}
    assert tuned.threads == {"ort": 1, "quick": 1}
    assert rounds[-1] == (6, 3)  # the first ones are thrown away
    last = tuned.trials[-1]
    assert (last.way, last.timing) == ("future", None)
    assert "needs 99.0 or newer" in last.trouble
    record = json.loads(tuning_path(made.folder).read_text(encoding="utf-8"))
    assert record["order"] == list(tuned.order)
    assert record["engines"]["ort"].startswith("ort 1.")
    assert {trial["psnr"] for trial in record["trials"] if "psnr" in trial} == {"99.0"}
    opened = open_bundle(made.folder)
    assert tuple(fit.variant.name for fit in opened.fits)[:2] == tuned.order
    assert opened.notes == ()


def test_another_version_of_an_engine_asks_for_it_again(made: Made) -> None:
    tune_bundle(made.folder, threads=[1], rounds=1)
    path = tuning_path(made.folder)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["engines"]["ort"] = "ort 1.2.3"
    path.write_text(json.dumps(record), encoding="utf-8")
    opened = open_bundle(made.folder)
    assert opened.threads == {}
    assert "was measured with ort 1.2.3 for ort, and here is ort" in opened.notes[0]


def test_a_way_that_shows_something_else_is_left_out(made: Made) -> None:
    other = _other(made)
    _quality(made, onnx=60.0)
    made.seal(variants=[VARIANT, other])
    tuned = tune_bundle(made.folder, threads=[1], rounds=1)
    assert tuned.order == ("ort",)
    (trial,) = (trial for trial in tuned.trials if trial.way == "other")
    assert "dB from those of ort, where" in trial.trouble
    assert trial.decibels is not None
    assert trial.decibels < 30


@pytest.mark.parametrize(("budget", "kept"), [(39.0, True), (41.0, False)])
def test_a_budget_is_about_what_the_report_says(budget: float, kept: bool, made: Made) -> None:
    _quality(made, onnx=40.0)
    made.seal()
    if kept:
        assert tune_bundle(made.folder, threads=[1], rounds=1, budget=budget).order == ("ort",)
        return
    with pytest.raises(BundleError, match=r"its worst picture had 40\.0 dB when it was built"):
        tune_bundle(made.folder, threads=[1], rounds=1, budget=budget)
    assert not tuning_path(made.folder).exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"formats": {"onnx": {}}}', '{"formats": {"onnx": {"quality": 3}}}']
)
def test_a_report_that_says_nothing_is_none(text: str, made: Made) -> None:
    (made.folder / "quality.json").write_text(text, encoding="utf-8")
    made.seal()
    assert tune.quality_of(open_bundle(made.folder)) == {}


def test_a_board_that_is_slowed_down_is_not_believed(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "read_state", lambda: ThrottleState(0x4))
    with pytest.raises(BackendError, match=r"throttled; mend that, and run edge tune again"):
        tune_bundle(made.folder, threads=[1], rounds=1)
    assert not tuning_path(made.folder).exists()


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (PowerState("15W", events={"oc1": 3}), r"over-current \(oc1\); mend that"),
        (PowerState("MAXN", events={"oc1": 2}), "the power mode was changed meanwhile"),
    ],
)
def test_a_jetson_that_drew_too_much_is_not_believed(
    after: PowerState, words: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PowerState("15W", events={"oc1": 2})
    states = [before, after, before, after]
    monkeypatch.setattr(tune, "read_power", lambda: states.pop(0))
    with pytest.raises(BackendError, match=words):
        tune_bundle(made.folder, threads=[1], rounds=1)
    with pytest.raises(BackendError, match=words):
        tune_models(["tiny_swapper"], threads=[1], rounds=1)
    assert not tuning_path(made.folder).exists()


def test_no_more_threads_are_tried_than_a_tuning_may_state(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(this_machine(), cores=96)
    monkeypatch.setattr(tune, "this_machine", lambda: many)
    counts = tune._counts((), 1)
    assert counts == (1, 2, 4, 64)
    opened = open_bundle(made.folder)
    save_tuning(made.folder, opened.contents, ["ort"], {"ort": counts[-1]})
    assert open_bundle(made.folder).threads == {"ort": 64}
    with pytest.raises(UsageError, match="between 1 and 64, the most that is tried, not 96"):
        tune_bundle(made.folder, threads=[96])


@pytest.mark.parametrize("threads", [[0], [-1], [10_000]])
def test_threads_that_are_not_there(threads: list[int], made: Made) -> None:
    with pytest.raises(UsageError, match="threads must lie between 1 and the"):
        tune_bundle(made.folder, threads=threads)


@pytest.mark.parametrize(("rounds", "wrong"), [(0, "1 or more"), (100_001, "100000 or fewer")])
def test_rounds_that_make_no_sense(rounds: int, wrong: str, made: Made) -> None:
    with pytest.raises(UsageError, match=f"rounds must be {wrong}, not {rounds}"):
        tune_bundle(made.folder, rounds=rounds)


def test_the_command(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.seal(variants=[VARIANT, FUTURE])
    arguments = ["tune", str(made.folder), "--threads", "1", "--rounds", "1"]
    assert main(arguments) == 0
    page = capsys.readouterr().out
    assert "quickest here: ort with 1 threads" in page
    assert "operations: not counted" in page  # it has no convolution
    assert "future       left out: ort is" in page
    assert main([*arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["order"] == ["ort"]


@pytest.mark.parametrize("text", ["psnr:high", "psnr:nan", "psnr:inf", "psnr:", "ssim:40"])
def test_a_budget_is_a_finite_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tune", "tiny_swapper", "--budget", text])
    assert ended.value.code == 2
    assert f"'{text}' is no budget: write psnr:45" in capsys.readouterr().err


@pytest.mark.parametrize("names", [["tiny_swapper"], ["tiny_swapper"] * 2])
def test_a_budget_is_not_for_one_model(
    names: list[str], made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", *names, "--budget", "psnr:40"]) == 2
    errors = capsys.readouterr().err
    assert "--budget says nothing of tiny_swapper alone: it is for a bundle, or" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("p50", "busy"), [(1.2, False), (2.0, True)])
def test_a_busy_machine_is_named(p50: float, busy: bool) -> None:
    timing = Timing("ort", 9, p50, p50, p50, 1.0)
    tuned = Tuned((Trial("ort", "ort 1", 1, timing=timing),), ("ort",), {"ort": 1}, None, Roof(0))
    page = "\n".join(_lines(tuned, ["a"]))
    assert ("busy with other work" in page) == busy


def test_a_model_is_tuned_by_its_name(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    tuned = tune_models(["tiny_swapper"], threads=[1], rounds=2)
    assert tuned.order[0] == "ort"
    assert tuned.file is None
    assert tuned.roof.multiply_adds > 0
    assert set(tuned.roof.peaks) == {("float32", 1), ("int8", 1)}
    first = tuned.trials[0]
    assert first.timing is not None
    assert first.share is not None
    expected = 2 * tuned.roof.multiply_adds / first.timing.quickest / 1e6
    assert first.gops == pytest.approx(expected)
    assert first.share == pytest.approx(expected / tuned.roof.peaks["float32", 1])
    assert main(["tune", "tiny_swapper", "--threads", "1", "--rounds", "1"]) == 0
    page = capsys.readouterr().out
    assert "edge swap --model tiny_swapper --backend ort --threads 1 ..." in page
    assert "GMAC, two operations each" in page
    assert main(["tune", "tiny_swapper", "--threads", "1", "--rounds", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] is None
    assert shown["multiply_adds"] == tuned.roof.multiply_adds
    assert {each["kind"] for each in shown["peaks"]} == {"float32", "int8"}
    assert shown["trials"][0]["peak_gops"] > 0


def test_another_file_must_show_what_the_first_one_does(made: Made) -> None:
    tiny.install_one(
        made.stage.folder.parent / "home", "tiny_far", "swapper", tiny.SWAPPER, tiny.swapper(seed=9)
    )
    names = ["tiny_swapper", "tiny_far"]
    tuned = tune_models(names, threads=[1], rounds=1)
    assert tuned.order[0] == "tiny_swapper ort"
    (far,) = (trial for trial in tuned.trials if trial.way == "tiny_far ort")
    assert "where 40.0 can be asked for" in far.trouble
    everything = tune_models(names, threads=[1], rounds=1, budget=0)
    assert {"tiny_swapper ort", "tiny_far ort"} <= set(everything.order)


def _swapper_of(nodes: list[Any], constants: list[Any], length: int = 512) -> bytes:
    """Return a swapper whose picture is the target and `extra`, which the nodes make."""
    picture, mask = (1, 3, 128, 128), (1, 1, 128, 128)
    return tiny.model_bytes(
        [
            onnx.helper.make_node("MatMul", ["source", "projection"], ["colour"]),
            *nodes,
            onnx.helper.make_node("Sum", ["target", "colour", "extra"], ["output"]),
            onnx.helper.make_node("ReduceMean", ["target"], ["mask"], axes=[1], keepdims=1),
        ],
        [tiny._value("target", picture), tiny._value("source", (1, length))],
        [tiny._value("output", picture), tiny._value("mask", mask)],
        [*constants, tiny._constant("projection", np.zeros((length, 1)))],
    )


def test_the_best_way_is_left_out_where_it_fails(made: Made) -> None:
    """One that gives no numbers for a real face, as halves do, stops no other."""
    node = onnx.helper.make_node
    nodes = [node("Sub", ["one", "target"], ["dark"]), node("Log", ["dark"], ["infinite"])]
    nodes.append(node("Mul", ["infinite", "zero"], ["extra"]))
    data = _swapper_of(nodes, [tiny._constant("one", 1.0), tiny._constant("zero", 0.0)])
    home = made.stage.folder.parent / "home"
    tiny.install_one(home, "tiny_half", "swapper", tiny.SWAPPER, data)
    tuned = tune_models(["tiny_half", "tiny_swapper"], threads=[1], rounds=1)
    assert tuned.order[0] == "tiny_swapper ort"
    (half,) = (trial for trial in tuned.trials if trial.way == "tiny_half ort")
    assert "holds values that are no numbers" in half.trouble
    with pytest.raises(BundleError, match="tiny_half: no way of running it works here: ort: model"):
        tune_models(["tiny_half"], threads=[1], rounds=1)


def test_a_model_that_takes_a_shorter_embedding(made: Made) -> None:
    data = _swapper_of([], [tiny._constant("extra", 0.0)], length=256)
    card = tiny.SWAPPER.replace("normalise = true", "normalise = true\nlength = 256")
    home = made.stage.folder.parent / "home"
    tiny.install_one(home, "tiny_short", "swapper", card, data)
    assert tune_models(["tiny_short"], threads=[1], rounds=1).order[0] == "ort"


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({"128, 128]": "256, 256]", "size = 128": "size = 256"}, "crops of 128 and 256 pixels"),
        ({"arcface_128": "ffhq_512"}, "crops of different kinds"),
    ],
)
def test_models_that_see_other_crops_are_not_compared(
    changes: dict[str, str], differ: str, made: Made
) -> None:
    card = tiny.SWAPPER
    for old, new in changes.items():
        assert old in card
        card = card.replace(old, new)
    home = made.stage.folder.parent / "home"
    tiny.install_one(home, "tiny_wide", "swapper", card, tiny.swapper(seed=9))
    with pytest.raises(UsageError, match=f"tiny_swapper and tiny_wide: see {differ}, so"):
        tune_models(["tiny_swapper", "tiny_wide"], threads=[1], rounds=1)


def test_fast_cores_are_tried_too_and_kept_to(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(trials, "fast_cores", lambda: (core,))
    order: list[str] = []

    def measure(stages: Any, rounds: int, **options: Any) -> Any:
        order.extend(stages)
        timings = timing.measure(stages, rounds, **options)
        # The second one, on the fast core, is the quickest.
        return tuple(
            replace(each, p50=each.p50 / 1e6) if name == "1" else each
            for name, each in zip(stages, timings, strict=True)
        )

    monkeypatch.setattr(trials, "measure", measure)
    tuned = tune_bundle(made.folder, threads=[1], rounds=1)
    assert [trial.cores for trial in tuned.trials] == [(core,), ()]
    assert order == ["0", "1"]
    record = json.loads(tuning_path(made.folder).read_text(encoding="utf-8"))
    assert record["cores"] == {"ort": str(core)}
    opened = open_bundle(made.folder)
    assert opened.cores == {"ort": (core,)}
    assert opened._engines(opened.fits[0], None).cores == (core,)
    assert opened._engines(opened.fits[0], 2).cores == ()
    assert main(["tune", "tiny_swapper", "--threads", "1", "--rounds", "1"]) == 0
    assert f"taskset -c {core} edge swap --model tiny_swapper" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "1,", "a", "-1", "1 2", "99999"])
def test_cores_that_are_no_numbers_leave_the_tuning_out(text: str, made: Made) -> None:
    tune_bundle(made.folder, threads=[1], rounds=1)
    path = tuning_path(made.folder)
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "cores": {"ort": text}}), encoding="utf-8")
    opened = open_bundle(made.folder)
    assert (opened.cores, opened.threads) == ({}, {})
    assert "is left out" in opened.notes[0]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["nobody"], "no model 'nobody'"),
        (["tiny_detector"], "is a detector, but a swapper is needed"),
        (["some/where.onnx"], "is a model's file; add it"),
        (["one.zip", "tiny_swapper"], "one bundle at a time"),
    ],
)
def test_names_that_mean_nothing(
    names: list[str], what: str, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", *names, "--rounds", "1"]) == 2
    assert what in capsys.readouterr().err
    with pytest.raises(CardError):
        tune_models(["nobody"])
