"""Figures of several devices beside each other: Markdown, or one page with plots.

Each device writes `edge bench --json`; what the file says of machine, versions and rounds goes with
the figures. One that does not count (the board was slowed down, or the run was emulated) is shown
as such, without a figure.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import OutputError, UsageError
from edge.harmless import html_text
from edge.publish import writing_failed

__all__ = ["SCHEMA", "Device", "as_markdown", "as_page", "named_apart", "read_device", "write_page"]

SCHEMA = "edge-swap/bench-1"

_MOST_BYTES = 1 << 20
_MOST_STAGES = 64
_MALFORMED = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError),
)
"""What reading another record than ours can raise."""
_BAR, _ROW, _NAME = 360.0, 22.0, 190.0  # units of a plot

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1f24; --quiet: #5c6670; --line: #dde2e7;
  --bar: #0b62b8; --paper: #fff; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8ecef; --quiet: #9ba7b1;
  --line: #323b43; --bar: #6cb3ff; --paper: #13171b; } }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  font-variant-numeric: tabular-nums; vertical-align: baseline; }
th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; }
.quiet { color: var(--quiet); font-size: .875rem; }
figure { margin: 1rem 0; break-inside: avoid; }
figcaption { font-weight: 600; }
svg { width: 100%; max-width: 44rem; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, "Noto Sans", "DejaVu Sans", sans-serif; }
svg rect { fill: var(--bar); }
"""


@dataclass(frozen=True, slots=True)
class Device:
    """What one device measured.

    Attributes:
        name: Its board or processor; the file's name where two are alike.
        facts: The whole record.
        times: Median of each stage, milliseconds.
        invalid: Why the figures do not count; empty where they do.
    """

    name: str
    facts: Mapping[str, Any]
    times: Mapping[str, float]
    invalid: str


def read_device(path: Path) -> Device:
    """Read what `edge bench --json` wrote on a device.

    Raises:
        UsageError: It is missing, or no such record.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["schema"] != SCHEMA:
            raise ValueError(f"its format is not {SCHEMA}")
        machine = facts["machine"]
        stages = facts["timings"][:_MOST_STAGES]
        device = Device(
            name=str(machine["board"] or machine["processor"]),
            facts=facts,
            times={str(each["stage"]): _time(each["p50"]) for each in stages},
            invalid=str(facts["invalid"]),
        )
        _about(device)  # what lacks a part of it is no such record
        return device
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except _MALFORMED as error:
        raise UsageError(f"{path}: is not what 'edge bench --json' writes: {error}") from error


def _time(value: Any) -> float:
    """Return a figure; a run that does not count has none.

    Raises:
        ValueError: It is no length of time.
    """
    if value is None:
        return math.nan
    time = float(value)
    if not 0 <= time < math.inf:
        raise ValueError(f"a time of {value!r}")
    return time


def named_apart(devices: Sequence[Device], paths: Sequence[Path]) -> list[str]:
    """Return a name for each device; that of its file goes along where two are alike."""
    names = [device.name for device in devices]
    return [
        f"{name} ({path.name})" if names.count(name) > 1 else name
        for name, path in zip(names, paths, strict=True)
    ]


def _stages(devices: Sequence[Device]) -> list[str]:
    return list(dict.fromkeys(stage for device in devices for stage in device.times))


def _figure(device: Device, stage: str) -> str:
    if device.invalid:
        return "does not count"
    time = device.times.get(stage, math.nan)
    return "-" if math.isnan(time) else f"{time:.2f}"


def _about(device: Device) -> list[tuple[str, str]]:
    """Return what a figure means nothing without."""
    facts = device.facts
    machine, threads = facts["machine"], facts["threads"]
    models = ", ".join(
        f"{each['name']} {each['precision']} on {each['backend']} {each['engine_version']}"
        for each in facts["models"]
    )
    width, height = facts["frame_size"]
    return [
        ("processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("features", " ".join(machine["features"])),
        ("system", f"{machine['system']}, kernel {machine['kernel']}"),
        ("governor", str(machine["governor"] or "not told")),
        ("power mode", str((facts.get("power_after") or {}).get("mode") or "not told")),
        ("versions", ", ".join(f"{name} {text}" for name, text in facts["versions"].items())),
        ("models", models),
        ("threads", f"engine {threads['engine'] or 'its own choice'}, OpenCV {threads['opencv']}"),
        ("frame", f"{width}x{height}, {facts['faces']} faces"),
        ("rounds", str(facts["timings"][0]["rounds"])),
        ("load before", f"{facts['load']:.2f}"),
        ("swap model", _work(facts)),
        ("most memory", f"{facts['memory'] / 2**20:.0f} MiB"),
        ("counts", device.invalid or "yes"),
    ]


def _work(facts: Mapping[str, Any]) -> str:
    """Say how near the swap model came to what the processor does at most."""
    roof = facts.get("roof")
    if not roof or not roof["gops"] or not roof["peak_gops"]:
        return "not counted"
    gops, peak = float(roof["gops"]), float(roof["peak_gops"])
    return f"{gops:.0f} GOP/s, {gops / peak:.0%} of the peak"


def as_markdown(devices: Sequence[Device], names: Sequence[str]) -> str:
    """Return the figures as a Markdown table, and what each was measured with."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    lines = [row(["p50 in ms", *names]), "|---|" + "---:|" * len(names)]
    for stage in _stages(devices):
        lines.append(row([stage, *(_figure(device, stage) for device in devices)]))
    lines += ["", row(["measured with", *names]), "|---|" + "---|" * len(names)]
    for cells in zip(*map(_about, devices), strict=True):
        lines.append(row([cells[0][0], *(text for _, text in cells)]))
    return "\n".join(lines) + "\n"


def as_page(devices: Sequence[Device], names: Sequence[str]) -> str:
    """Return the same as one HTML page that needs nothing from anywhere, with a plot per stage."""
    head = "".join(f"<th>{html_text(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{html_text(stage)}</td>"
        + "".join(f"<td>{_figure(device, stage)}</td>" for device in devices)
        + "</tr>\n"
        for stage in _stages(devices)
    )
    about = "".join(
        f"<tr><td>{cells[0][0]}</td>"
        + "".join(f'<td class="text">{html_text(text)}</td>' for _, text in cells)
        + "</tr>\n"
        for cells in zip(*map(_about, devices), strict=True)
    )
    plots = "\n".join(_plot(stage, devices, names) for stage in _stages(devices))
    texts = "".join(f'<th class="text">{html_text(name)}</th>' for name in names)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>edge-swap: devices compared</title><style>{_STYLE}</style></head><body>
<h1>Devices compared</h1>
<p class="quiet">Median wall time of each stage in milliseconds, as every device measured it itself;
less is better.</p>
<div class="wide"><table><tr><th></th>{head}</tr>
{rows}</table></div>
<h2>Stage by stage</h2>
{plots}
<h2>Measured with</h2>
<div class="wide"><table><tr><th></th>{texts}</tr>
{about}</table></div>
</body></html>
"""


def write_page(path: Path, page: str) -> None:
    """Write a page: complete, or not there at all.

    Raises:
        OutputError: It exists already, or cannot be written.
    """
    if os.path.lexists(path):
        raise OutputError(f"{path}: exists already; choose another name")
    part = path.with_name(f".{path.name[:100]}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise writing_failed(path, error) from error


def _plot(stage: str, devices: Sequence[Device], names: Sequence[str]) -> str:
    counted = [device.times[stage] for device in devices if _counts(device, stage)]
    most = max(counted, default=0.0) or 1.0
    height = _ROW * len(devices) + 6
    parts = []
    for place, (device, name) in enumerate(zip(devices, names, strict=True)):
        y = place * _ROW
        short = name if len(name) <= 26 else f"{name[:25]}…"
        parts.append(f'<text x="0" y="{y + 15:.0f}">{html_text(short)}</text>')
        long = device.times[stage] / most * _BAR if _counts(device, stage) else 0.0
        figure = _figure(device, stage)
        parts.append(
            f'<rect x="{_NAME:.0f}" y="{y + 3:.0f}" width="{long:.1f}" height="15" rx="2"/>'
            f'<text x="{_NAME + long + 6:.1f}" y="{y + 15:.0f}">{figure}</text>'
        )
    title = html_text(stage)
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg viewBox="0 0 {_NAME + _BAR + 110:.0f} {height:.0f}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg></figure>'
    )


def _counts(device: Device, stage: str) -> bool:
    return not device.invalid and not math.isnan(device.times.get(stage, math.nan))
