from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.evidence import paper, write
from edge.evidence.page import GENERATOR
from tests.browser import BROWSER
from tests.edge.evidence.conftest import Gathered, Swapped


def test_a_page_replaces_an_older_report_alone(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    report = path.with_name("report.html")
    write.check_destination(report, path)
    write.write_report(gathered(path), report)
    assert GENERATOR in report.read_text(encoding="utf-8")
    write.check_destination(report, path)
    report.write_text("my own page", encoding="utf-8")
    with pytest.raises(OutputError, match="is there already"):
        write.check_destination(report, path)
    assert not list(path.parent.glob(".*.part*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.txt", r"\.html or \.pdf"),
        ("none/report.html", "there is no folder"),
        ("out.html", "is the file itself"),
        ("here.pdf", "is there already"),
    ],
)
def test_bad_destinations_are_one_line(name: str, words: str, tmp_path: Path) -> None:
    source = tmp_path / "out.html"
    source.write_bytes(b"x")
    (tmp_path / "here.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(OutputError, match=words) as caught:
        write.check_destination(tmp_path / name, source)
    assert "\n" not in str(caught.value)


def test_a_pdf_without_a_browser_is_one_line(
    swapped: Swapped, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "browser", lambda: None)
    path = swapped("png")
    report = path.with_name("report.pdf")
    with pytest.raises(OutputError, match="print that to PDF"):
        write.write_report(gathered(path), report)
    assert not report.exists()
    assert not list(path.parent.glob(".*.part*"))


def test_a_browser_that_fails_is_one_line(
    swapped: Swapped, gathered: Gathered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(paper, "browser", lambda: str(broken))
    path = swapped("png")
    with pytest.raises(OutputError, match="no display"):
        write.write_report(gathered(path), path.with_name("report.pdf"))
    assert not path.with_name("report.pdf").exists()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt install chromium")
def test_a_pdf(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    report = path.with_name("report.pdf")
    write.write_report(gathered(path), report)
    assert report.read_bytes().startswith(b"%PDF-")
    assert not list(path.parent.glob(".*.part*"))
