"""`edge selftest`: does a bundle do on this device what it did where it was built?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.device_test import DeviceReport, WayReport
    from edge.power import PowerState

HELP = "run a bundle's golden vectors here: quality, providers, latency, heat"

EXIT_FAILED = 3  # as of `edge verify`: something does not hold


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = "exit status: 0, or 3 where a way of running it gives wrong pictures"
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder, or .zip")
    parser.add_argument(
        "--rounds", type=int, default=50, metavar="N", help="rounds that count (default 50)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="JSON", help="write the JSON to this file too"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> int:
    """Run the vectors, and print what came of them; 3 where a way gives wrong pictures."""
    from edge.device_test import run_device_test
    from edge.errors import OutputError
    from edge.progress import bar

    output: Path | None = arguments.output
    if output is not None and output.exists() and not arguments.overwrite:
        raise OutputError(f"{output}: exists already; give --overwrite, or choose another name")
    with bar("measuring", arguments.json) as progress:
        report = run_device_test(
            arguments.bundle,
            rounds=arguments.rounds,
            told=lambda done, total: progress(done, total, ""),
        )
    text = json.dumps(as_json(report), indent=2) + "\n"
    if output is not None:
        _write(output, text)
    sys.stdout.write(text if arguments.json else as_markdown(report))
    if output is not None and not arguments.json:
        from edge.cli import one_line

        sys.stdout.write(f"\nwrote {one_line(str(output))}\n")
    return 0 if report.holds else EXIT_FAILED


def _write(path: Path, text: str) -> None:
    from edge.publish import writing_failed

    part = path.with_name(f".{path.name[:100]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise writing_failed(path, error) from error


def as_json(report: DeviceReport) -> dict[str, Any]:
    """Return the report as docs/spec/selftest-1.schema.json has it."""
    from dataclasses import asdict

    from edge.device_test import SCHEMA

    return {"schema": SCHEMA, "unit": "ms", "holds": report.holds, **asdict(report)}


def as_markdown(report: DeviceReport) -> str:
    """Return the report as it can be pasted into docs/targets.md."""
    machine = report.machine
    lines = [
        f"{machine.board or machine.processor}: {machine.processor}, {machine.cores} cores, "
        f"{machine.system}, kernel {machine.kernel}; governor {machine.governor or 'not told'}",
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"bundle {report.bundle[:16]} for {report.target}, {report.precision}; "
        f"{report.vectors} golden vectors",
        _heat(report),
        "",
        "| way | engine | nodes by provider | same bits | worst dB, to this model as built "
        "| worst dB, to the float model (as built) | p50 / p99 ms |",
        "|---|---|---|---|---|---|---|",
        *(_row(way, report) for way in report.ways),
    ]
    verdict = (
        "every way gives what it must"
        if report.holds
        else "FAILED: a way gives other pictures than it did where it was built, or none was run"
    )
    return "\n".join([*lines, "", verdict, ""])


def _row(way: WayReport, report: DeviceReport) -> str:
    from edge.cli import one_line

    if way.left_out:
        reason = one_line(way.left_out).replace("|", "\\|")
        return f"| {way.way} | not run: {reason} | | | | | |"
    nodes = ", ".join(f"{name} {count}" for name, count in (way.providers or {}).items())
    latency = "does not count"
    if way.latency is not None:
        latency = f"{way.latency.p50:.2f} / {way.latency.p99:.2f}"
    wrong = "" if way.holds else " **wrong**"
    return (
        f"| {way.way} | {way.engine}, {way.threads or 'its own number of'} threads | "
        f"{nodes or f'{way.provider} (not counted)'} | {way.identical} of {report.vectors} | "
        f"{way.psnr:.1f}{wrong} | {way.psnr_float:.1f} ({way.psnr_float_built:.1f}) | {latency} |"
    )


def _heat(report: DeviceReport) -> str:
    if report.invalid:
        first = f"times do NOT count: {report.invalid}"
    elif report.before.bits is not None or (report.power_after and report.power_after.events):
        first = "not slowed by heat or supply"
    else:
        first = "whether it was slowed by heat or supply is not told here"
    degrees = [state.celsius for state in (report.before, report.after)]
    if None not in degrees:
        first += f"; {degrees[0]:.0f} degrees Celsius before, {degrees[1]:.0f} after"
    return first + _power(report.power_after)


def _power(power: PowerState | None) -> str:
    if power is None:
        return ""
    drawn = ", ".join(f"{rail} {value} mW" for rail, value in (power.milliwatts or {}).items())
    return f"; power mode {power.mode or 'not told'}{f'; {drawn}' if drawn else ''}"
