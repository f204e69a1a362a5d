"""`edge bench`: how long each stage takes on this machine."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._threads import threads_or_choice
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.bench import Report

HELP = "measure every stage on this machine"


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write it as 1920x1080")
    return int(match[1]), int(match[2])


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--frame-size",
        type=_size,
        default=(1920, 1080),
        metavar="WxH",
        help="size of the frames (default 1920x1080)",
    )
    for option, default, kind, metavar, text in (
        ("--rounds", 30, int, "N", "rounds that count (default 30)"),
        ("--model", "ref_swapper", str, "NAME", "swap model (default ref_swapper)"),
        ("--detector", "", str, "NAME", "face detector (default: the one that edge swap takes)"),
        ("--backend", "ort", str, "NAME", "ort (default), litert, mnn, ncnn, openvino, tflite"),
        ("--faces", 1, int, "N", "people in the frame, 1 to 3 (default 1)"),
        ("--threads", 0, threads_or_choice, "N", "threads per engine (0: its choice)"),
    ):
        parser.add_argument(option, default=default, type=kind, metavar=metavar, help=text)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    compare = parser.add_argument_group("figures of several devices")
    compare.add_argument(
        "--compare",
        nargs="+",
        type=Path,
        metavar="JSON",
        help="measure nothing: put what devices wrote with --json beside each other",
    )
    compare.add_argument(
        "--report", type=Path, metavar="HTML", help="with --compare: write a page with plots"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print, or compare."""
    if arguments.compare:
        return _compare(arguments)
    if arguments.report is not None:
        raise UsageError("--report goes with --compare: name the files of the devices")
    from edge.bench import run_bench
    from edge.progress import bar
    from edge.swap import Engines
    from edge.timing import WARM_UP

    engines = Engines(
        model=arguments.model,
        detector=arguments.detector,
        backend=arguments.backend,
        threads=arguments.threads,
    )
    done = 0
    with bar("measuring", arguments.json) as progress:

        def after_round() -> None:
            nonlocal done
            done += 1
            progress(done, WARM_UP + arguments.rounds, "")

        report = run_bench(
            engines,
            frame_size=arguments.frame_size,
            faces=arguments.faces,
            rounds=arguments.rounds,
            after_round=after_round,
        )
    sys.stdout.write(_as_json(report) if arguments.json else _as_page(report))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from edge.bench_report import as_markdown, as_page, named_apart, read_device, write_page
    from edge.cli import one_line

    devices = [read_device(path) for path in arguments.compare]
    names = named_apart(devices, arguments.compare)
    sys.stdout.write(as_markdown(devices, names))
    if arguments.report is not None:
        write_page(arguments.report, as_page(devices, names))
        sys.stdout.write(f"\nwrote {one_line(str(arguments.report))}\n")
    return 0


def _as_json(report: Report) -> str:
    from dataclasses import asdict

    from edge.bench_report import SCHEMA

    facts = {"schema": SCHEMA, "unit": "ms", **asdict(report)}
    if report.invalid:  # nobody shall take the figures for this device's, so there are none
        none = dict.fromkeys(("p50", "p90", "p99", "quickest"))
        facts["timings"] = [{**timing, **none} for timing in facts["timings"]]
        facts["roof"] = None
    return json.dumps(facts, indent=2) + "\n"


def _heat(report: Report) -> str:
    """Say whether the board was slowed down, as far as it tells."""
    degrees = [state.celsius for state in (report.before, report.after)]
    shown = [f"{value:.0f} degrees Celsius" for value in degrees if value is not None]
    power = report.power_after
    if report.invalid:
        verdict = f"INVALID: {report.invalid}; so there are no figures"
    elif power is not None and power.events is not None:
        verdict = "no over-current event"
    elif report.before.bits is None:
        verdict = "not told (no vcgencmd here)"
    else:
        verdict = "no"
    heat = f"; {' before, '.join(shown)} after" if len(shown) == 2 else ""
    return f"slowed by heat or supply: {verdict}{heat}{_power(report)}"


def _power(report: Report) -> str:
    """Say in which power mode a Jetson was, how hot it became and what it drew."""
    power = report.power_after
    if power is None:
        return ""
    hottest = max((power.celsius or {}).items(), key=lambda each: each[1], default=None)
    parts = [f"power mode {power.mode or 'not told'}"]
    if hottest is not None:
        parts.append(f"{hottest[0]} {hottest[1]:.0f} degrees Celsius after")
    parts += [f"{rail} {value} mW" for rail, value in (power.milliwatts or {}).items()]
    return f"\n{', '.join(parts)}"


def _roof(report: Report) -> Iterator[str]:
    """Say how near the swap model came to what the processor does at most."""
    roof = report.roof
    if roof is None or not roof.peak_gops:
        return
    yield (
        f"swap model: {roof.multiply_adds / 1e9:.3g} GMAC a crop, {roof.gops:.0f} GOP/s in its "
        f"quickest round: {roof.gops / roof.peak_gops:.0%} of the {roof.peak_gops:.0f} that large "
        f"{roof.kind} products reach here"
    )


def _as_page(report: Report) -> str:
    machine = report.machine
    width, height = report.frame_size
    clock = f", governor {machine.governor}" if machine.governor else ""
    board = f"{machine.board}: " if machine.board else ""
    lines = [
        f"{board}{machine.processor}, {machine.cores} cores ({machine.architecture}){clock}",
        f"features: {' '.join(machine.features) or 'none that matter'}",
        f"{machine.system}, kernel {machine.kernel}; load before: {report.load:.2f}",
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        *(
            f"{use.name}: {use.precision}, {use.backend} {use.engine_version}, {use.provider}"
            for use in report.models
        ),
        f"threads: engine {report.threads['engine'] or 'its own choice'}, "
        f"OpenCV {report.threads['opencv']}",
        f"frame {width}x{height} with {report.faces} faces, most memory "
        f"{report.memory / 2**20:.0f} MiB",
        _heat(report),
    ]
    if report.invalid:
        return "\n".join([*lines, ""])
    lines += [*_roof(report), "", f"{'wall time in ms':<24} {'p50':>9} {'p90':>9} {'p99':>9}"]
    for timing in report.timings:
        lines.append(f"{timing.stage:<24} {timing.p50:9.2f} {timing.p90:9.2f} {timing.p99:9.2f}")
    rounds = report.timings[0].rounds
    note = "; p99 is then the slowest round" if rounds < 100 else ""
    return "\n".join([*lines, "", f"{rounds} interleaved rounds{note}", ""])
