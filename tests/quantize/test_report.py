"""The report's files: whole or not at all, and never in the place of something else."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge.errors import OutputError
from quantize.comparison import FORMAT
from quantize.errors import MeasureError
from quantize.report import check_destination, report_files, write_report
from tests.quantize.measured import comparison, row


def test_page_markdown_and_json_lie_side_by_side(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(comparison(row("a.onnx")), page, inputs=[])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "report.html",
        "report.json",
        "report.md",
    ]
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["format"] == FORMAT


def test_a_report_replaces_a_report(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(comparison(row("first.onnx")), page, inputs=[])
    write_report(comparison(row("second.onnx")), page, inputs=[])
    for path in report_files(page):
        text = path.read_text(encoding="utf-8")
        assert "second.onnx" in text.replace("<wbr>", "")
        assert "first.onnx" not in text.replace("<wbr>", "")


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json"])
def test_nothing_else_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(MeasureError, match=f"{name}: is there and is no report"):
        write_report(comparison(row("a.onnx")), tmp_path / "report.html", inputs=[])
    assert (tmp_path / name).read_text(encoding="utf-8") == "{}"
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 1


@pytest.mark.parametrize("model", ["report.onnx", "report"])
def test_the_json_beside_a_model_is_left_alone(tmp_path: Path, model: str) -> None:
    with pytest.raises(MeasureError, match=f"report.json: is the JSON of {model}"):
        check_destination(tmp_path / "report.html", [tmp_path / model])


def test_an_input_is_left_alone_under_whatever_name(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    link = tmp_path / "report.html"
    link.symlink_to(model)
    with pytest.raises(MeasureError, match=r"is model\.onnx"):
        check_destination(link, [model])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("report.txt", "name it something.html"),
        ("report", "name it something.html"),
        ("nowhere/report.html", "there is no folder"),
    ],
)
def test_a_place_that_will_not_do_is_said_at_once(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(MeasureError, match=text):
        check_destination(tmp_path / name, [])


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    with pytest.raises(MeasureError, match="is there and is no report"):
        check_destination(tmp_path / "report.html", [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MeasureError, match="may not be written to"):
        check_destination(tmp_path / "report.html", [])


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_report(comparison(row("a.onnx")), tmp_path / "report.html", inputs=[])
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_an_interruption_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(comparison(row("a.onnx")), tmp_path / "report.html", inputs=[])
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_name_that_is_no_unicode_does_not_cost_the_report(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(comparison(row("a\udcff.onnx")), page, inputs=[])
    for path in report_files(page):
        path.read_text(encoding="utf-8")
