"""A page in headless Chromium: what it looks like at several widths, and on paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt install chromium")

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
    text: page.body.innerText,
    smallest: Math.min(...texts.map((each) => parseFloat(style(each).fontSize))),
  }};
}}
</script>"""


def browse(folder: Path, *arguments: str) -> str:
    """Run the browser with a profile in `folder`; return what it prints."""
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


def look(page: Path, widths: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what a page is like at each width.

    Returns:
        Per width: `scroll`, the page's own width; `wide`, what sticks out; `images`, their real
        widths; `smallest`, the least font size of its texts, pixels; `text`, what is read.
    """
    wrapper = page.with_name("wrapper.html")
    inside = _WRAPPER.format(widths=list(widths)).replace('"page.html"', json.dumps(page.name))
    wrapper.write_text(inside, encoding="utf-8")
    address = wrapper.resolve().as_uri()
    shown = browse(page.parent, "--virtual-time-budget=10000", "--dump-dom", address)
    match = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert match is not None, shown[:500]
    found: dict[str, dict[str, Any]] = json.loads(unescape(match[1]))
    return {int(width): seen for width, seen in found.items()}
