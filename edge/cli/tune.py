"""`edge tune`: find out which way of running a bundle or a model is the quickest here."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._threads import one_thread_or_more
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.trials import Trial
    from edge.tune import Tuned

HELP = "measure the ways of running a bundle or a model here; edge run takes the best"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what",
        nargs="+",
        metavar="BUNDLE_OR_MODEL",
        help="a bundle's folder, or .zip; or the name of a swap model (edge models list), or of "
        "several forms of one, the best first",
    )
    parser.add_argument(
        "--threads",
        type=one_thread_or_more,
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
        help="leave out ways whose worst picture had less when the bundle was built; of several "
        "models, those that show less likeness to the first (default psnr:40); not for one model",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _decibels(text: str) -> float:
    name, _, value = text.partition(":")
    try:
        budget = float(value)
        if name != "psnr" or not math.isfinite(budget):  # nothing is less than "nan"
            raise ValueError
        return budget
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no budget: write psnr:45") from error


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the tuning file, and print."""
    from edge.progress import bar
    from edge.trials import LEAST
    from edge.tune import tune_bundle, tune_models

    names, budget = arguments.what, arguments.budget
    bundle = _bundle_in(names)
    if bundle is None and budget is not None and len(set(names)) == 1:
        raise UsageError(
            f"--budget says nothing of {names[0]} alone: it is for a bundle, or for several "
            "models; leave it out"
        )
    with bar("measuring", arguments.json) as progress:

        def told(done: int, total: int) -> None:
            progress(done, total, "")

        many, rounds = arguments.threads, arguments.rounds
        if bundle is not None:
            tuned = tune_bundle(bundle, threads=many, rounds=rounds, budget=budget, told=told)
        else:
            least = LEAST if budget is None else budget
            tuned = tune_models(names, threads=many, rounds=rounds, budget=least, told=told)
    if arguments.json:
        sys.stdout.write(json.dumps(_as_json(tuned), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(tuned, names)) + "\n")
    return 0


def _bundle_in(names: Sequence[str]) -> str | None:
    """Return the path that stands for a bundle; None where names of models were given."""
    from edge.tune import ENGINES

    for name in names:
        if Path(name).suffix in ENGINES:
            raise UsageError(
                f"{name}: is a model's file; add it (edge models add), and name it by its card"
            )
    paths = [name for name in names if Path(name).exists() or "/" in name or name.endswith(".zip")]
    if paths and len(names) > 1:
        raise UsageError(f"one bundle at a time: {paths[0]}; several names are of models")
    return paths[0] if paths else None


def _as_json(tuned: Tuned) -> dict[str, object]:
    peaks = [
        {"kind": kind, "threads": threads, "gops": round(gops)}
        for (kind, threads), gops in tuned.roof.peaks.items()
    ]
    return {
        "file": None if tuned.file is None else str(tuned.file),
        "order": list(tuned.order),
        "threads": tuned.threads,
        "multiply_adds": tuned.roof.multiply_adds or None,
        "peaks": peaks,
        "trials": [trial.to_dict() for trial in tuned.trials],
    }


def _lines(tuned: Tuned, names: Sequence[str]) -> Iterator[str]:
    from edge.cli import one_line

    wide = max(12, *(len(one_line(trial.way)) for trial in tuned.trials))
    yield (
        f"{'way':<{wide}} {'engine':<20} {'threads':>7} {'cores':<8} {'p50 ms':>9} {'quickest':>9} "
        f"{'PSNR dB':>8} {'GOP/s':>7} {'of peak':>7}"
    )
    for trial in tuned.trials:
        yield _line(trial, wide)
    yield ""
    fast = next((trial.cores for trial in tuned.trials if trial.cores), ())
    if fast:
        yield f"cores: the fast ones are {', '.join(map(str, fast))}"
    else:
        yield "cores: all alike, as far as the system tells, so that threads may go anywhere"
    yield from _roof_lines(tuned)
    yield from _busy_lines(tuned)
    yield from _last_lines(tuned, names)


_BUSY = 1.3
"""Median over quickest run from which other work must have been in the way."""


def _busy_lines(tuned: Tuned) -> Iterator[str]:
    best = next(trial for trial in tuned.trials if trial.way == tuned.order[0])
    if best.timing is not None and best.timing.p50 > _BUSY * best.timing.quickest:
        yield (
            "this machine is busy with other work, which slows some ways more than others: run "
            "edge tune again when it is idle"
        )


def _roof_lines(tuned: Tuned) -> Iterator[str]:
    roof = tuned.roof
    if not roof.multiply_adds:
        yield "operations: not counted (that takes ONNX Runtime and an ONNX file)"
        return
    yield (
        f"one crop: {roof.multiply_adds / 1e9:.3g} GMAC, two operations each; peak here in GOP/s, "
        "by large products in the same rounds:"
    )
    kinds: dict[str, list[str]] = {}
    for (kind, threads), gops in roof.peaks.items():
        of = "thread" if threads == 1 else "threads"
        kinds.setdefault(kind, []).append(f"{gops:.0f} with {threads} {of}")
    yield "  " + "; ".join(f"{kind} {', '.join(each)}" for kind, each in kinds.items())


def _last_lines(tuned: Tuned, names: Sequence[str]) -> Iterator[str]:
    from edge.cli import one_line

    best = tuned.order[0]
    threads = tuned.threads[best]
    if tuned.file is not None:
        yield f"quickest here: {best} with {threads} threads; edge run takes it from now on"
        yield f"wrote {one_line(str(tuned.file))}"
        return
    engine = best.rpartition(" ")[2]
    model = best.rpartition(" ")[0] or names[0]
    yield f"quickest here: {best} with {threads} threads:"
    cores = next(trial.cores for trial in tuned.trials if trial.way == best)
    stay = f"taskset -c {','.join(map(str, cores))} " if cores else ""
    yield f"  {stay}edge swap --model {model} --backend {engine} --threads {threads} ..."


def _line(trial: Trial, wide: int) -> str:
    from edge.cli import one_line

    if trial.timing is None:
        threads = f" with {trial.threads} threads" if trial.threads else ""
        return f"{one_line(trial.way):<{wide}} left out{threads}: {one_line(trial.trouble)}"
    quality = "" if trial.decibels is None else f"{trial.decibels:.1f}"
    gops = "" if trial.gops is None else f"{trial.gops:.0f}"
    share = "" if trial.share is None else f"{trial.share:.0%}"
    return (
        f"{one_line(trial.way):<{wide}} {one_line(trial.engine):<20} {trial.threads:>7} "
        f"{'fast' if trial.cores else 'any':<8} {trial.timing.p50:>9.2f} "
        f"{trial.timing.quickest:>9.2f} {quality:>8} {gops:>7} {share:>7}"
    )
