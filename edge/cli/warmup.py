"""`edge warmup`: build the engines of models ahead, so that the first swap need not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.harmless import raw

if TYPE_CHECKING:
    from edge.warmup import Told, Warmed

HELP = "build a target's engines ahead (TensorRT), and try the models in them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="bundles, or names of cards (edge models)"
    )
    parser.add_argument("--target", metavar="NAME", help="what this is, for cards: jetson, ...")
    parser.add_argument(
        "--way", metavar="NAME", help="of the target's profile: tensorrt, cuda (default: the best)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Build one after the other; what is built already is opened alone."""
    from edge.warmup import warm_up

    done = []
    for number, name in enumerate(arguments.models, start=1):
        title = f"{name} ({number} of {len(arguments.models)})"
        with _waiting(title, quiet=arguments.json) as told:
            for warmed in warm_up(name, arguments.target, way=arguments.way, told=told):
                done.append(warmed)
                if not arguments.json:
                    sys.stdout.write("\n".join([_as_line(warmed), *_skipped(warmed)]) + "\n")
    if arguments.json:
        sys.stdout.write(json.dumps([_as_json(one) for one in done], indent=2) + "\n")
    return 0


@contextmanager
def _waiting(title: str, *, quiet: bool) -> Iterator[Told]:
    """Show on standard error that work goes on, and for how long: engines tell no more."""
    if quiet or not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from edge.cli import one_line

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=raw(sys.stderr)), transient=True) as shown:
        task = shown.add_task(one_line(title), total=None)

        def told(what: str) -> None:
            shown.update(task, description=one_line(f"{title}: {what}"))

        yield told


def _as_line(warmed: Warmed) -> str:
    from edge.cli import one_line

    line = (
        f"{warmed.card}: ready on {warmed.provider} ({warmed.way}, {warmed.engine}); "
        f"{warmed.first:.1f} s, and {warmed.again:.1f} s when it is opened again"
    )
    if warmed.folder is not None:
        line += f"; {warmed.files} files, {warmed.bytes / 1e6:.1f} MB in {warmed.folder}"
    return one_line(line)


def _skipped(warmed: Warmed) -> list[str]:
    from edge.cli import one_line

    return [f"  not {one_line(reason)}" for reason in warmed.skipped]


def _as_json(warmed: Warmed) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(warmed), "folder": None if warmed.folder is None else str(warmed.folder)}
