"""The report of a comparison: one HTML page, and Markdown and JSON beside it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from edge.consent.storage import sync_folder
from edge.publish import writing_failed
from quantize.companion import companion_paths
from quantize.comparison import FORMAT, Comparison
from quantize.errors import MeasureError
from quantize.report_html import GENERATOR, as_html
from quantize.report_markdown import MARK, as_markdown

_SUFFIXES = (".html", ".htm")
_PEEK = 4096  # bytes at the head of a file that tell a report of ours


def report_files(report: Path) -> tuple[Path, Path, Path]:
    """Return the three files of a report: page, Markdown, JSON."""
    return report, report.with_suffix(".md"), report.with_suffix(".json")


def check_destination(report: Path, inputs: Iterable[Path]) -> None:
    """Refuse a report before anything is measured for it.

    A report replaces an older one under the same name, and nothing else.

    Args:
        report: the page.
        inputs: the models that are compared; neither they nor the JSON beside them are replaced.

    Raises:
        MeasureError: it has no name for a page, its folder is missing or may not be written to, or
            one of its three files is there and is no report, or belongs to an input.
    """
    if report.suffix.lower() not in _SUFFIXES:
        raise MeasureError(f"{report}: a report is a page: name it something.html")
    if not report.parent.is_dir():
        raise MeasureError(f"{report}: there is no folder {report.parent}; make it first")
    if not os.access(report.parent, os.W_OK | os.X_OK):
        raise MeasureError(f"{report}: the folder {report.parent} may not be written to")
    models = [path.resolve() for path in inputs]
    taken = {path: path.name for path in models}
    for model in models:
        taken |= dict.fromkeys(companion_paths(model), f"the JSON of {model.name}")
    for path in report_files(report):
        if path.resolve() in taken:
            raise MeasureError(f"{path}: is {taken[path.resolve()]}; choose another report name")
        if os.path.lexists(path) and not _is_report(path):
            raise MeasureError(f"{path}: is there and is no report; choose another report name")


def _is_report(path: Path) -> bool:
    """Tell a report of ours by what stands at its head, whatever it is called."""
    try:
        with path.open("rb") as file:
            head = file.read(_PEEK).decode("utf-8", "replace")
    except OSError:
        return False
    marks = {".json": f'"format": "{FORMAT}"', ".md": MARK}
    return marks.get(path.suffix.lower(), GENERATOR) in head


def write_report(comparison: Comparison, report: Path, *, inputs: Iterable[Path]) -> None:
    """Write the page, the Markdown and the JSON; each is there whole or not at all.

    Args:
        comparison: what was measured.
        report: the page, something.html; the others get its name with .md and .json.
        inputs: the models that were compared; see `check_destination`.

    Raises:
        MeasureError: it cannot stand there.
        OutputError: the disk is full, or refuses.
    """
    check_destination(report, inputs)
    page, markdown, data = report_files(report)
    text = json.dumps(comparison.as_dict(), indent=2, allow_nan=False) + "\n"
    # The page comes last: where it is, the others are.
    for path, content in (
        (data, text),
        (markdown, as_markdown(comparison)),
        (page, as_html(comparison)),
    ):
        _write(path, content)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            # A lone surrogate, as in a file name that is no UTF-8, must not cost the report.
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
