"""`edge compare`: a float model and what was made of it, side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._threads import one_thread_or_more

if TYPE_CHECKING:
    from quantize.comparison import Row

HELP = "measure converted models against their float model"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("model", type=Path, help="the float model, .onnx")
    parser.add_argument(
        "candidates", type=Path, nargs="+", metavar="candidate", help=".onnx, .ort or .tflite"
    )
    parser.add_argument("--card", help="the model's card: a name, or a .toml file")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="PAGE.html",
        help="write a page, and .md and .json beside it; an older report there is replaced",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="judge on these crops, pictures or videos (default: held-out faces of nobody)",
    )
    parser.add_argument("--count", type=int, default=16, help="samples to judge on (default 16)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds that count (default 20)")
    parser.add_argument(
        "--threads",
        type=one_thread_or_more,
        metavar="N",
        help="threads of every engine (default: all cores, at most 4)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the report where one is asked for."""
    from edge.isolation.looking import try_stranger_isolated
    from edge.progress import bar
    from quantize.compare import compare
    from quantize.errors import MeasureError
    from quantize.report_markdown import as_text

    for path in (arguments.model, *arguments.candidates):
        try_stranger_isolated(path)
    with bar("comparing", arguments.json) as progress:
        comparison = compare(
            arguments.model,
            arguments.candidates,
            card=arguments.card,
            report=arguments.report,
            calibration=arguments.calibration,
            count=arguments.count,
            threads=arguments.threads,
            rounds=arguments.rounds,
            progress=progress,
        )
    if arguments.json:
        text = json.dumps(comparison.as_dict(), indent=2) + "\n"
    else:
        text = as_text(comparison)
    sys.stdout.write(text)
    if arguments.report is not None and not arguments.json:
        sys.stdout.write(f"report: {arguments.report}\n")
    if comparison.measured:
        return 0
    sys.stdout.flush()  # before what goes to the other stream
    raise MeasureError(_nothing(comparison.candidates))


def _nothing(rows: Sequence[Row]) -> str:
    """Say in one line why there is nothing beside the float model."""
    first = rows[0]
    others = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"nothing could be measured: {first.name}: {first.trouble}{others}"
