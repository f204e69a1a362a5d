"""`edge doctor`: what is well and what ails this installation, on one page."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.doctor import Section

HELP = "look for what is wrong with this installation"

EXIT_PROBLEMS = 1

_WIDTH = len("configuration folder")

_MARKS = {"ok": " ", "note": "-", "problem": "!"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = "exit status: 0 where nothing is to be mended, 1 where something is"
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 when there is a problem."""
    from edge.doctor import examine, problems

    sections = examine()
    found = problems(sections)
    if arguments.json:
        sys.stdout.write(json.dumps(_as_json(sections), indent=2) + "\n")
    else:
        sys.stdout.write(_as_page(sections))
    return EXIT_PROBLEMS if found else 0


def _as_json(sections: tuple[Section, ...]) -> dict[str, object]:
    from dataclasses import asdict

    from edge.doctor import problems

    return {
        "usable": not problems(sections),
        "sections": {s.title: [asdict(finding) for finding in s.findings] for s in sections},
    }


def _as_page(sections: tuple[Section, ...]) -> str:
    from edge.cli import one_line
    from edge.doctor import problems

    lines = []
    for section in sections:
        lines.append(section.title)
        for finding in section.findings:
            mark = _MARKS[finding.state]
            lines.append(f"{mark} {one_line(finding.topic):<{_WIDTH}} {one_line(finding.text)}")
            if finding.mend:
                lines.append(f"  {'':<{_WIDTH}} -> {one_line(finding.mend)}")
    count = len(problems(sections))
    verdict = "no problem found" if not count else f"{count} to mend, marked with '!'"
    return "\n".join([*lines, "", verdict, ""])
