"""Write a report where the user asked for it: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from edge.consent.storage import sync_folder
from edge.errors import OutputError
from edge.evidence.gather import Evidence
from edge.evidence.page import GENERATOR, as_html
from edge.evidence.paper import print_page
from edge.publish import writing_failed

PAGES = (".html", ".htm")
PAPERS = (".pdf",)

_PEEK = 4096  # bytes at the head of a file that tell a report of ours


def check_destination(report: Path, source: Path) -> None:
    """Refuse a report before anything is looked at for it.

    A page replaces an older report under the same name, and nothing else; a PDF replaces nothing.

    Args:
        report: Where it is to go.
        source: The file that it is about.

    Raises:
        OutputError: Its name is of no kind known, its folder is missing, or something is there.
    """
    if report.suffix.lower() not in (*PAGES, *PAPERS):
        raise OutputError(f"{report}: a report is a page: name it something.html or .pdf")
    if not report.parent.is_dir():
        raise OutputError(f"{report}: there is no folder {report.parent}; make it first")
    if not os.access(report.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{report}: the folder {report.parent} may not be written to")
    if report.resolve() == source.resolve():
        raise OutputError(f"{report}: is the file itself; choose another report name")
    if os.path.lexists(report) and not _is_report(report):
        raise OutputError(f"{report}: is there already; choose another report name")


def _is_report(path: Path) -> bool:
    if path.suffix.lower() in PAPERS or path.is_symlink():
        return False
    try:
        with path.open("rb") as file:
            return GENERATOR in file.read(_PEEK).decode("utf-8", "replace")
    except OSError:
        return False


def write_report(evidence: Evidence, report: Path) -> None:
    """Write a report as a page, or printed as a PDF; see `check_destination`.

    Args:
        evidence: From `gather`.
        report: Where it is to go.

    Raises:
        OutputError: A PDF is asked for, and no browser prints it.
        OutputError: The disk is full, or refuses.
    """
    page = as_html(evidence)
    suffix = report.suffix.lower()
    part = report.with_name(f".{report.name[:100]}.{secrets.token_hex(4)}.part{suffix}")
    try:
        if suffix in PAPERS:
            print_page(page, part)
        else:
            # A lone surrogate, as in a file name that is no UTF-8, must not cost the report.
            part.write_bytes(page.encode("utf-8", "backslashreplace"))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(report)
        sync_folder(report.parent)
    except OSError as error:
        raise writing_failed(report, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
