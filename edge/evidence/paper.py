"""Print a page to PDF with a browser that is already here; nothing is installed or fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge.errors import OutputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_SECONDS = 120


def browser() -> str | None:
    """Return the path of a Chromium of this machine, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def print_page(page: str, paper: Path) -> None:
    """Print a page.

    Args:
        page: The whole HTML text.
        paper: The PDF to write; its folder is there.

    Raises:
        OutputError: There is no browser here, or it does not print.
    """
    found = browser()
    if found is None:
        raise OutputError(
            f"{paper}: no Chromium is here to print it: write an .html report, open it in any "
            "browser and print that to PDF, or install one (sudo apt install chromium)"
        )
    with tempfile.TemporaryDirectory(prefix="edge-report-") as folder:
        source = Path(folder) / "report.html"
        source.write_bytes(page.encode("utf-8", "backslashreplace"))
        command = [found, *_options(Path(folder)), f"--print-to-pdf={paper.resolve()}"]
        try:
            done = subprocess.run(
                [*command, source.as_uri()],
                check=False, capture_output=True, text=True, timeout=_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError(f"{paper}: {found} did not print it: {error}") from error
    if done.returncode or not _is_pdf(paper):
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise OutputError(f"{paper}: {found} did not print it: {last[0]}")


def _options(folder: Path) -> list[str]:
    options = [
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        "--no-pdf-header-footer",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # the page needs no network, nor does its printing
        f"--user-data-dir={folder / 'profile'}",
    ]
    # Chromium refuses its sandbox to root; the page holds no script, and its policy forbids it.
    return ["--no-sandbox", *options] if os.geteuid() == 0 else options


def _is_pdf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(5) == b"%PDF-"
    except OSError:
        return False
