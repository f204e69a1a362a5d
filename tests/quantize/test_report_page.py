"""The page in a browser: nothing sticks out, on a phone or on paper, and every picture shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from quantize.report_html import as_html
from quantize.report_pictures import SIDE
from tests.quantize.test_report_html import full

BROWSER = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt install chromium")

WIDTHS = (320, 390, 820, 1280)  # pixels: a small phone, a phone, a tablet, a desk

# Looks into the page from outside, as its own policy lets no script run.
_WRAPPER = """<!doctype html><body style="margin:0"><pre id="found"></pre><script>
const found = {{}}, widths = {widths};
for (const width of widths) {{
  const frame = document.createElement("iframe");
  frame.style = `width:${{width}}px;height:800px;border:0`;
  frame.onload = () => {{
    found[width] = look(frame.contentDocument, frame.contentWindow, width);
    document.getElementById("found").textContent = JSON.stringify(found);
  }};
  frame.src = "page.html";
  document.body.append(frame);
}}
function look(page, view, width) {{
  const wide = [], style = (each) => view.getComputedStyle(each);
  for (const each of page.querySelectorAll("main *")) {{
    const box = each.getBoundingClientRect();
    const drawn = style(each).display !== "none" && !each.closest("thead, svg > *");
    if (drawn && box.width && (box.right > width + 0.5 || box.left < -0.5))
      wide.push(each.outerHTML.slice(0, 80));
  }}
  const texts = [...page.querySelectorAll("td, p, dd, figcaption")];
  return {{
    scroll: page.documentElement.scrollWidth,
    wide: wide,
    images: [...page.images].map((each) => each.complete ? each.naturalWidth : 0),
    smallest: Math.min(...texts.map((each) => parseFloat(style(each).fontSize))),
  }};
}}
</script>"""


def _browse(folder: Path, *arguments: str) -> str:
    assert BROWSER is not None
    ended = subprocess.run(
        [
            BROWSER,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ended.stdout


@pytest.fixture(params=["plain", "x" * 90], ids=["plain", "long"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The page, once with names that have no place to break."""
    path = tmp_path / "page.html"
    path.write_text(as_html(full(request.param)), encoding="utf-8")
    return path


def test_nothing_sticks_out_and_every_picture_shows(page: Path) -> None:
    wrapper = page.with_name("wrapper.html")
    wrapper.write_text(_WRAPPER.format(widths=list(WIDTHS)), encoding="utf-8")
    shown = _browse(
        page.parent, "--virtual-time-budget=10000", "--dump-dom", wrapper.resolve().as_uri()
    )
    match = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert match is not None, shown[:500]
    found: dict[str, Any] = json.loads(unescape(match[1]))
    for width in WIDTHS:
        seen = found[str(width)]
        assert seen["wide"] == []
        assert 0 < seen["scroll"] <= width
        assert len(seen["images"]) == 4
        assert min(seen["images"]) >= SIDE
        assert seen["smallest"] >= 13


def test_it_prints(page: Path) -> None:
    paper = page.with_suffix(".pdf")
    _browse(
        page.parent,
        "--no-pdf-header-footer",
        f"--print-to-pdf={paper}",
        page.resolve().as_uri(),
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 8
