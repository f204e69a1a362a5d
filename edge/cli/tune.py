"""`edge tune`: find out which way of running a bundle is the quickest on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.tune import Trial, Tuned

HELP = "measure the ways of running a bundle here; edge run then takes the quickest"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle's folder, or .zip")
    parser.add_argument(
        "--threads",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="number of threads to try, repeatable (default: 1, 2, 4 and all cores)",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="rounds that count (default 20)"
    )
    parser.add_argument(
        "--budget",
        type=_decibels,
        metavar="psnr:DB",
        help="leave out ways whose worst picture had less when the bundle was built",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _decibels(text: str) -> float:
    name, _, value = text.partition(":")
    try:
        if name != "psnr":
            raise ValueError
        return float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no budget: write psnr:45") from error


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the tuning file, and print."""
    from edge.progress import bar
    from edge.tune import tune_bundle

    with bar("measuring", arguments.json) as progress:
        tuned = tune_bundle(
            arguments.bundle,
            threads=arguments.threads,
            rounds=arguments.rounds,
            budget=arguments.budget,
            told=lambda done, total: progress(done, total, ""),
        )
    if arguments.json:
        shown = {
            "file": str(tuned.file),
            "order": list(tuned.order),
            "threads": tuned.threads,
            "trials": [trial.to_dict() for trial in tuned.trials],
        }
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(tuned)) + "\n")
    return 0


def _lines(tuned: Tuned) -> Iterator[str]:
    from edge.cli import one_line

    yield f"{'way':<12} {'engine':<20} {'threads':>7} {'p50 ms':>9} {'quickest':>9} {'PSNR dB':>8}"
    for trial in tuned.trials:
        yield _line(trial)
    best = tuned.order[0]
    yield ""
    yield f"quickest here: {best} with {tuned.threads[best]} threads; edge run takes it from now on"
    yield f"wrote {one_line(str(tuned.file))}"


def _line(trial: Trial) -> str:
    from edge.cli import one_line

    if trial.timing is None:
        threads = f" with {trial.threads} threads" if trial.threads else ""
        return f"{one_line(trial.way):<12} left out{threads}: {one_line(trial.trouble)}"
    quality = "" if trial.decibels is None else f"{trial.decibels:.1f}"
    return (
        f"{one_line(trial.way):<12} {one_line(trial.engine):<20} {trial.threads:>7} "
        f"{trial.timing.p50:>9.2f} {trial.timing.quickest:>9.2f} {quality:>8}"
    )
