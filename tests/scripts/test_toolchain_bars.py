"""The bench of the toolchain: bars, rows that are kept, what fails, and what is said of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from edge.errors import UsageError
from quantize.errors import QuantizeError
from scripts import toolchain_bars
from scripts.avx2_kernels import HELD
from scripts.toolchain_bench import Bench
from scripts.toolchain_rows import Bar, Check, Measured, all_bars


@pytest.mark.parametrize(
    ("check", "reached"),
    [
        (Check("size", 0.26, 0.26, most=True), True),
        (Check("size", 0.2601, 0.26, most=True), False),
        (Check("worst", 45.0, 45), True),
        (Check("worst", 44.99, 45), False),
        (Check("worst", math.nan, 45), False),
        (Check("size", math.nan, 1, most=True), False),
    ],
)
def test_a_check_is_reached(check: Check, reached: bool) -> None:
    assert check.reached == reached


def test_a_check_names_figure_and_limit() -> None:
    assert str(Check("size", 0.25512, 0.26, most=True, unit="x")) == "size 0.2551x (<= 0.26x)"


def test_every_bar_has_a_key_of_its_own() -> None:
    keys = [bar.key for bar in all_bars()]
    assert len(keys) == len(set(keys))
    assert {key.split("/")[0] for key in keys} >= {"fp16", "int8", "int8-small", "tflite", "baked"}


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["fp16/insq"], {"fp16/insq"}),
        (["search"], {"search/insq", "search/insf"}),
        (["int8*/insf"], {"int8/insf", "int8-small/insf"}),
        (["nothing"], set()),
    ],
)
def test_rows_are_chosen(patterns: list[str], wanted: set[str]) -> None:
    assert {bar.key for bar in toolchain_bars.chosen(patterns)} == wanted


@pytest.mark.parametrize(
    ("features", "words"),
    [(("avx2", "amx_int8"), "not of bare AVX2"), (("avx2",), "no VNNI"), ((), "no VNNI")],
)
def test_kernels_are_named(features: tuple[str, ...], words: str) -> None:
    assert words in toolchain_bars.kernels_note(features)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model's file, and three bars that need no toolchain."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.onnx").write_bytes(b"")
    calls = tmp_path / "calls"

    def bar(key: str, measure: Callable[[], Measured], model: str = "toy") -> Bar:
        def measured(bench: Bench, name: str) -> Measured:
            with calls.open("a", encoding="utf-8") as stream:
                stream.write(f"{key}\n")
            return measure()

        return Bar(key, key, model, measured)

    def fails() -> Measured:
        raise QuantizeError("no such operator")

    bars = [
        bar("good/toy", lambda: ([Check("size", 0.2, 0.3, most=True)], ["a note"])),
        bar("bad/toy", lambda: ([Check("size", 0.4, 0.3, most=True)], [])),
        bar("fails/toy", fails),
        bar("absent/other", lambda: ([], []), model="other"),
    ]
    monkeypatch.setattr(toolchain_bars, "all_bars", lambda: iter(bars))
    return tmp_path


def run(folder: Path, *more: str) -> tuple[int, dict[str, str], list[str]]:
    """Exit status, verdict by row, and the rows that were measured so far."""
    arguments = ["--models", str(folder / "models"), "--work", str(folder / "work"), *more]
    status = toolchain_bars.main(arguments)
    content = json.loads((folder / "work" / "bars.json").read_text(encoding="utf-8"))
    calls = (folder / "calls").read_text(encoding="utf-8").split()
    return status, {row["key"]: row["verdict"] for row in content["rows"]}, calls


def test_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, verdicts, _ = run(folder)
    assert status == 1
    assert verdicts == {"good/toy": "reached", "bad/toy": "MISSED", "fails/toy": "MISSED"}
    shown = capsys.readouterr().out
    assert "no such operator" in shown
    assert "no other.onnx" in shown
    assert "2 threads" in shown


def test_rows_are_kept_and_named_ones_measured_anew(folder: Path) -> None:
    run(folder)
    _, _, calls = run(folder)
    assert len(calls) == 3
    status, verdicts, calls = run(folder, "--only", "good")
    assert status == 0
    assert calls[3:] == ["good/toy"]
    assert len(verdicts) == 3
    _, _, calls = run(folder, "--fresh")
    assert len(calls) == 7


def test_the_record_says_how_it_was_measured(folder: Path) -> None:
    run(folder, "--threads", "1", "--rounds", "3")
    content = json.loads((folder / "work" / "bars.json").read_text(encoding="utf-8"))
    assert content["versions"]["onnx"] != "absent"
    assert content["threads"] == content["rows"][0]["threads"] == 1
    assert content["rows"][0]["rounds"] == 3
    assert content["rows"][0]["code"] == content["code"]
    assert content["rows"][0]["checks"][0]["limit"] == 0.3


def test_rows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert toolchain_bars.main(["--list", "--only", "exact"]) == 0
    assert capsys.readouterr().out.split() == ["exact/mobbaked", "exact/mob"]


def test_a_markdown_table_has_a_line_per_row() -> None:
    row = {"key": "int8/toy", "figures": ["a 1", "b 2"], "verdict": "reached", "notes": ["x|y"]}
    lines = toolchain_bars.markdown_of([row, row]).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| int8/toy | a 1<br>b 2 | reached | x\\|y |"


def test_kernels_that_cannot_be_had_are_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Path) -> dict[str, str]:
        raise UsageError("--kernels avx2 needs cc: sudo apt install gcc")

    monkeypatch.delenv(HELD, raising=False)
    monkeypatch.setattr(toolchain_bars, "avx2_environment", refused)
    given = ["--kernels", "avx2", "--models", str(tmp_path), "--work", str(tmp_path / "w")]
    assert toolchain_bars.main(given) == 2
    assert capsys.readouterr().err == "--kernels avx2 needs cc: sudo apt install gcc\n"
    assert not (tmp_path / "w").exists()


def test_figures_of_held_kernels_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HELD, "avx2")
    assert "held to its kernels for AVX2" in toolchain_bars.kernels_note(("avx512_vnni",))


def test_each_choice_of_kernels_has_a_folder_of_its_own() -> None:
    own, avx2 = (toolchain_bars.options_of(["--kernels", one]).work for one in ("own", "avx2"))
    assert own != avx2
