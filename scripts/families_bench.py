"""How long one run takes of each swap model's topology, at full width and with random weights.

The graphs are those of the tests, built whole: up to a gigabyte each. Weights do not change how
long a convolution takes, so this says what a family costs on a machine before anybody has its file.
Each runs in turns with the reference swapper.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
import onnxruntime
from rich.console import Console
from rich.table import Table

from edge.cards import find_card
from edge.machine import this_machine
from edge.registry import locate
from quantize.engine import Engine
from quantize.passes import draw_feeds
from quantize.timing import interleaved
from tests import families

REFERENCE = "ref_swapper"


@dataclass(frozen=True, slots=True)
class Row:
    """One family.

    Attributes:
        name: Card name.
        millions: Weights, in millions.
        milliseconds: Median of its runs.
        reference: Median of the reference swapper's runs, in between.
    """

    name: str
    millions: float
    milliseconds: float
    reference: float


def measure(name: str, build: Callable[[], onnx.ModelProto], *, runs: int, threads: int) -> Row:
    """Build a family's graph and run it on made-up inputs, in turns with the reference swapper.

    Args:
        name: Card name.
        build: Makes the graph.
        runs: Runs of each that count; one before them does not.
        threads: Of the engine; 0 leaves it to the engine.
    """
    model = build()
    weights = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    reference = onnx.load(str(locate(find_card(REFERENCE))))
    runners = {REFERENCE: _runner(reference, threads), name: _runner(model, threads)}
    times = interleaved(runners, rounds=runs, warmup=1)
    return Row(name, weights / 1e6, times[name].p50, times[REFERENCE].p50)


def _runner(model: onnx.ModelProto, threads: int) -> Callable[[], object]:
    return partial(Engine(model, threads=threads).run, draw_feeds(model, count=1)[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench families", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(families.FULL))
    parser.add_argument("--runs", type=int, default=5, help="runs that count (default 5)")
    parser.add_argument("--threads", type=int, default=0, help="0: the engine's choice")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in families.FULL]
    if unknown or given.runs < 1:
        parser.error(
            f"no family '{unknown[0]}'; known: {', '.join(families.FULL)}"
            if unknown
            else f"--runs must be 1 or more, not {given.runs}"
        )
    table = Table("topology", "M weights", "ms", f"times {REFERENCE}")
    console = Console()
    with console.status("building") as status:
        for name in given.names or families.FULL:
            status.update(f"{name}: building and running")
            row = measure(name, families.FULL[name], runs=given.runs, threads=given.threads)
            ratio = row.milliseconds / row.reference
            table.add_row(name, f"{row.millions:.1f}", f"{row.milliseconds:.1f}", f"{ratio:.3g}")
    machine = this_machine()
    console.print(table)
    console.print(
        f"{machine.processor}, {machine.cores} cores; ONNX Runtime {onnxruntime.__version__}, "
        f"NumPy {np.__version__}; median of {given.runs} runs, threads "
        f"{given.threads or 'as the engine chooses'}; random weights"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
