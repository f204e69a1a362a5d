"""Several devices beside each other: nothing is lost, nothing is believed that does not count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge import bench
from edge.bench_report import as_markdown, as_page, named_apart, read_device
from edge.cli import main
from edge.errors import UsageError
from tests.edge.cli.test_bench import REPORT

SCHEMA = Path(__file__).parents[2] / "docs" / "spec" / "bench-1.schema.json"


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Return what the command writes."""
    monkeypatch.setattr(bench, "run_bench", lambda engines, **wishes: REPORT)
    assert main(["bench", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def _save(path: Path, facts: dict[str, Any]) -> Path:
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def test_what_is_written_fits_its_schema(written: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(written)


def test_two_devices(written: dict[str, Any], tmp_path: Path) -> None:
    slow = json.loads(json.dumps(written))
    slow["machine"]["board"] = "Another <board> | with signs"
    for timing in slow["timings"]:
        timing["p50"] *= 4
    slow["timings"] = slow["timings"][:1]
    paths = [_save(tmp_path / "a.json", written), _save(tmp_path / "b.json", slow)]
    devices = [read_device(path) for path in paths]
    names = named_apart(devices, paths)
    assert names == ["Raspberry Pi 4", "Another <board> | with signs"]
    text = as_markdown(devices, names)
    assert "| align | 1.00 | 4.00 |" in text
    assert "| paste | 4.00 | - |" in text
    assert "Another <board> \\| with signs" in text
    page = as_page(devices, names)
    assert "<board>" not in page
    assert "Another &lt;board&gt; | with signs" in page
    assert page.count("<figure>") == 2
    assert "http" not in page


def test_devices_that_are_alike_are_told_apart(written: dict[str, Any], tmp_path: Path) -> None:
    paths = [_save(tmp_path / name, written) for name in ("a.json", "b.json")]
    devices = [read_device(path) for path in paths]
    assert named_apart(devices, paths) == ["Raspberry Pi 4 (a.json)", "Raspberry Pi 4 (b.json)"]


def test_figures_that_do_not_count_are_not_shown(written: dict[str, Any], tmp_path: Path) -> None:
    none = [{**timing, "p50": None} for timing in written["timings"]]
    path = _save(tmp_path / "a.json", {**written, "invalid": "throttled", "timings": none})
    device = read_device(path)
    for shown in (as_markdown([device], ["pi"]), as_page([device], ["pi"])):
        assert "does not count" in shown
        assert "throttled" in shown
        assert "4.00" not in shown


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"schema": "edge-swap/bench-9"}', '{"schema": 3}', "[" * 9999]
)
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is not what 'edge bench --json' writes") as caught:
        read_device(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["threads", "models", "memory", "load", "frame_size", "versions"])
def test_a_record_that_lacks_a_part_is_refused(
    part: str, written: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del written[part]
    path = _save(tmp_path / "a.json", written)
    assert main(["bench", "--compare", str(path)]) == 2
    assert f"is not what 'edge bench --json' writes: '{part}'" in capsys.readouterr().err


@pytest.mark.parametrize("time", [float("inf"), float("nan"), -1.0, "1e999"])
def test_a_time_that_is_none_is_refused(time: Any, written: dict[str, Any], tmp_path: Path) -> None:
    written["timings"][0]["p50"] = time
    with pytest.raises(UsageError, match="a time of "):
        read_device(_save(tmp_path / "a.json", written))
    written["timings"] = []
    with pytest.raises(UsageError, match="is not what 'edge bench --json' writes"):
        read_device(_save(tmp_path / "a.json", written))


def test_a_stage_without_a_figure_has_no_bar(written: dict[str, Any], tmp_path: Path) -> None:
    written["timings"][0]["p50"] = None
    page = as_page([read_device(_save(tmp_path / "a.json", written))], ["pi"])
    assert "nan" not in page.split("<svg", 1)[1].split("</figure>", 1)[0]


def test_the_command(
    written: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = _save(tmp_path / "a.json", written), tmp_path / "page.html"
    arguments = ["bench", "--compare", str(path), "--report", str(page)]
    assert main(arguments) == 0
    assert "| align | 1.00 |" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["bench", "--compare", str(tmp_path / "none.json")]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err
    assert main(["bench", "--report", str(page)]) == 2
    assert "--report goes with --compare" in capsys.readouterr().err
