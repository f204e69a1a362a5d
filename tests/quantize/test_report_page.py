"""The page in a browser: nothing sticks out, on a phone or on paper, and every picture shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quantize.report_html import as_html
from quantize.report_pictures import SIDE
from tests.browser import browse, look, needs_browser
from tests.quantize.test_report_html import full

pytestmark = needs_browser

WIDTHS = (320, 390, 820, 1280)  # pixels: a small phone, a phone, a tablet, a desk


@pytest.fixture(params=["plain", "x" * 90], ids=["plain", "long"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The page, once with names that have no place to break."""
    path = tmp_path / "page.html"
    path.write_text(as_html(full(request.param)), encoding="utf-8")
    return path


def test_nothing_sticks_out_and_every_picture_shows(page: Path) -> None:
    found = look(page, WIDTHS)
    for width in WIDTHS:
        seen = found[width]
        assert seen["wide"] == []
        assert 0 < seen["scroll"] <= width
        assert len(seen["images"]) == 4
        assert min(seen["images"]) >= SIDE
        assert seen["smallest"] >= 13


def test_it_prints(page: Path) -> None:
    paper = page.with_suffix(".pdf")
    browse(
        page.parent,
        "--no-pdf-header-footer",
        f"--print-to-pdf={paper}",
        page.resolve().as_uri(),
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 8
