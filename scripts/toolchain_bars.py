"""Measure the toolchain against its bars: `scripts/bench toolchain`.

The topologies of well-known swap models, rebuilt and trained on faces of nobody, must be there: see
docs/measuring.md. Each row is kept when it is done, so that a run which was stopped goes on; a row
that is named is measured anew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.errors import EdgeError
from edge.machine import this_machine
from scripts.avx2_kernels import HELD, avx2_environment
from scripts.toolchain_bench import ROOT, Bench
from scripts.toolchain_rows import Bar, all_bars

PACKAGES = ("onnxruntime", "onnx", "numpy", "ai-edge-litert", "onnxslim", "onnxconverter-common")
REACHED, MISSED = "reached", "MISSED"


def measured(bar: Bar, bench: Bench) -> dict[str, Any]:
    """One row; what fails is a row that is missed, with the reason."""
    started = time.monotonic()
    try:
        checks, notes = bar.measure(bench, bar.model)
    except EdgeError as error:
        checks, notes = [], [f"failed: {error}"]
    good = bool(checks) and all(check.reached for check in checks)
    return {
        "key": bar.key,
        "title": bar.title,
        "model": bar.model,
        "verdict": REACHED if good else MISSED,
        "checks": [{**asdict(check), "reached": check.reached} for check in checks],
        "figures": [str(check) for check in checks],
        "notes": notes,
        "seconds": round(time.monotonic() - started, 1),
        "load": round(os.getloadavg()[0], 1),
        "code": bench.code,
        "threads": bench.threads,
        "rounds": bench.rounds,
    }


def circumstances(bench: Bench) -> dict[str, Any]:
    """The machine and the versions that all figures hold for."""
    versions = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    machine = this_machine()
    return {
        "processor": machine.processor,
        "features": list(machine.features),
        "cores": machine.cores,
        "system": machine.system,
        "threads": bench.threads,
        "rounds": bench.rounds,
        "versions": versions,
        "code": bench.code,
        "note": kernels_note(machine.features),
    }


def kernels_note(features: Sequence[str]) -> str:
    """Say which kernels the speed ratios are of."""
    if HELD in os.environ:
        return "ONNX Runtime is held to its kernels for AVX2; the processor is this one"
    wide = [name for name in ("avx_vnni", "avx512_vnni", "amx_int8") if name in features]
    if wide:
        return (
            f"this machine has {', '.join(wide)}: integer kernels are quicker than on AVX2 alone, "
            "and cannot saturate; the speed ratios are of this machine, not of bare AVX2"
        )
    return "this machine has no VNNI: the speed ratios are of AVX2"


def table_of(rows: Sequence[Mapping[str, Any]], code: str) -> Table:
    """The rows as a table for people."""
    table = Table(box=None, pad_edge=False)
    for title in ("bar", "figures", "", "notes"):
        table.add_column(title, overflow="fold")
    for row in rows:
        old = "" if row["code"] == code else " (older code)"
        colour = "green" if row["verdict"] == REACHED else "red"
        table.add_row(
            escape(row["key"]),
            escape("\n".join(row["figures"])),
            f"[{colour}]{row['verdict']}[/]",
            escape("; ".join(row["notes"]) + old),
        )
    return table


def markdown_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table for docs/measuring.md."""
    lines = ["| bar | figures | | notes |", "|---|---|---|---|"]
    for row in rows:
        figures, notes = "<br>".join(row["figures"]), "; ".join(row["notes"])
        cells = (row["key"], figures, row["verdict"], notes.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def chosen(patterns: Sequence[str]) -> list[Bar]:
    """The rows that are asked for: "fp16", "int8/insq", "*/mob"; all of them by default."""
    return [
        bar
        for bar in all_bars()
        if not patterns
        or any(fnmatch(bar.key, one) or bar.key.startswith(f"{one}/") for one in patterns)
    ]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    data = Path(os.environ.get("EDGE_TRAIN_DATA", str(ROOT / ".train-data")))
    parser = argparse.ArgumentParser(prog="scripts/bench toolchain", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="ROW", help="fp16 int8/insq */mob")
    parser.add_argument("--models", type=Path, default=data / "topologies")
    parser.add_argument("--work", type=Path, help="folder for what is converted")
    parser.add_argument(
        "--kernels",
        choices=("own", "avx2"),
        default="own",
        help="avx2: ONNX Runtime's for AVX2 alone, whatever this processor has (Linux on x86-64)",
    )
    parser.add_argument("--json", type=Path, help="where the figures go; in the work folder else")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--fresh", action="store_true", help="measure all that is asked for anew")
    parser.add_argument("--list", action="store_true", help="name the rows, and stop")
    parser.add_argument("--show", action="store_true", help="print what is known, and stop")
    parser.add_argument("--markdown", action="store_true", help="the same, as a Markdown table")
    options = parser.parse_args(arguments)
    options.work = options.work or data / ("bars" if options.kernels == "own" else "bars-avx2")
    return options


def _held(arguments: Sequence[str], work: Path) -> int:
    """Measure in a process whose engine has its AVX2 kernels alone; return its exit status."""
    try:
        environment = avx2_environment(work)
    except EdgeError as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False, soft_wrap=True)
        return 2
    command = [sys.executable, "-m", "scripts.toolchain_bars", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit status 1 where a bar is missed."""
    options = options_of(arguments)
    console = Console(highlight=False)
    bars = chosen(options.only)
    if options.list:
        console.print("\n".join(bar.key for bar in bars), markup=False)
        return 0
    if options.kernels == "avx2" and HELD not in os.environ:
        return _held(sys.argv[1:] if arguments is None else arguments, options.work)
    bench = Bench(options.models, options.work, options.threads, options.rounds)
    path: Path = options.json or options.work / "bars.json"
    known: dict[str, Any] = {}
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {row["key"]: row for row in content["rows"]}
    anew = options.fresh or bool(options.only)
    for bar in [] if options.show or options.markdown else bars:
        if not bench.there(bar.model):
            console.print(f"{bar.key}: no {bar.model}.onnx in {options.models}", markup=False)
            continue
        if bar.key in known and not anew:
            continue
        row = known[bar.key] = measured(bar, bench)
        line = f"{row['verdict']:8}{bar.key}: {', '.join([*row['figures'], *row['notes']])}"
        console.print(line, markup=False, soft_wrap=True)
        order = [one.key for one in all_bars() if one.key in known]
        rows = [known[key] for key in order]
        write(path, {**circumstances(bench), "rows": rows})
    shown = [known[bar.key] for bar in bars if bar.key in known]
    if options.markdown:
        console.print(markdown_of(shown), markup=False, soft_wrap=True)
        return 0
    about = circumstances(bench)
    console.print(table_of(shown, bench.code))
    console.print(
        f"{about['processor']}, {about['threads']} threads; {about['note']}", markup=False
    )
    console.print(", ".join(f"{k} {v}" for k, v in about["versions"].items()), markup=False)
    console.print(f"figures: {path}", markup=False)
    return 0 if shown and all(row["verdict"] == REACHED for row in shown) else 1


if __name__ == "__main__":
    sys.exit(main())
