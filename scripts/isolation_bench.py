"""What it costs to look at files in a child process: `scripts/bench isolation`.

Commands are run as people run them, with and without isolation, in turns, and the time of the whole
process is taken, its children's included. What is told is the median over rounds of the ratio
within one round: a machine that is busy meanwhile is busy for both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge.machine import this_machine

ROOT = Path(__file__).resolve().parents[1]
SIGNED = ROOT / "docs" / "demo-picture.jpg"
MANY = 20


@dataclass(frozen=True, slots=True)
class Time:
    """How long one process took, with its children.

    Attributes:
        wall: Seconds from start to end.
        processor: Seconds of user and system time.
    """

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Row:
    """One command, with and without isolation.

    Attributes:
        name: What was done.
        plain: Median without, seconds.
        isolated: Median with, seconds.
        wall: Median of the ratios of wall time within a round.
        processor: The same of processor time.
    """

    name: str
    plain: float
    isolated: float
    wall: float
    processor: float


def timed(words: Sequence[str], home: Path) -> Time:
    """Run a command and return how long it took.

    Raises:
        RuntimeError: It could not be done.
    """
    environment = {**os.environ, "EDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    command = [sys.executable, "-m", "edge", *words]
    start = time.perf_counter()
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, 3}:  # 3: intact, by a signer who is unknown here
        raise RuntimeError(f"edge {words[0]} ended with {code}")
    return Time(wall, used.ru_utime + used.ru_stime)


def row_of(name: str, plain: Sequence[Time], isolated: Sequence[Time]) -> Row:
    """Return the medians of rounds, each with one run of both."""
    pairs = list(zip(plain, isolated, strict=True))
    return Row(
        name,
        statistics.median(each.wall for each in plain),
        statistics.median(each.wall for each in isolated),
        statistics.median(two.wall / one.wall for one, two in pairs),
        statistics.median(two.processor / one.processor for one, two in pairs),
    )


def measure(
    name: str, plain: Sequence[str], isolated: Sequence[str], home: Path, rounds: int
) -> Row:
    """Run a command without and with isolation, in turns; the first round does not count."""
    commands = (plain, isolated)
    taken: tuple[list[Time], list[Time]] = ([], [])
    for turn in range(rounds + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            one = timed(commands[which], home)
            if turn:
                taken[which].append(one)
    return row_of(name, *taken)


def main(words: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench isolation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of each command (9)")
    options = parser.parse_args(words)
    rows = []
    with tempfile.TemporaryDirectory(prefix="edge-isolation-") as name:
        folder = Path(name)
        copies = [folder / f"{number}.jpg" for number in range(MANY)]
        for copy in copies:
            shutil.copy(SIGNED, copy)
        home, given = folder / "home", [str(copy) for copy in copies]
        for what, paths in (("verify 1 picture", given[:1]), (f"verify {MANY} pictures", given)):
            verify = ["verify", *paths]
            both = ([*verify, "--no-isolate"], [*verify, "--isolate"])
            rows.append(measure(what, *both, home, options.rounds))
        detect = ["detect", given[0], "--json"]
        both = (detect, [*detect, "--isolate"])
        rows.append(measure("detect in 1 picture", *both, home, options.rounds))
    _show(rows)
    return 0


def _show(rows: Sequence[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("command", "plain, s", "isolated, s", "wall, times", "processor, times"):
        table.add_column(head, justify="left" if head == "command" else "right")
    for row in rows:
        figures = (f"{row.plain:.2f}", f"{row.isolated:.2f}")
        table.add_row(row.name, *figures, f"{row.wall:.2f}", f"{row.processor:.2f}")
    console = Console()
    console.print(f"{this_machine().processor}, {this_machine().cores} cores")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
