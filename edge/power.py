"""The power mode, temperatures and over-current events of a Jetson.

What a Jetson can do hangs on its power mode (`nvpmodel`), and hardware lowers its clocks when it
draws too much current. `nvpmodel -q` names the mode, one line of `tegrastats` gives temperatures
and the power of each rail, and the kernel counts over-current events since the board was started
(hwmon `soctherm_oc`; NVIDIA's Developer Guide, "Platform Power and Performance"). All of it is read
before and after each measurement.
"""

from __future__ import annotations

import contextlib
import re
import select
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "PowerState",
    "parse_nvpmodel",
    "parse_tegrastats",
    "power_changed",
    "read_power",
]

_MODE = re.compile(r"NV Power Mode: *(\S[^\r\n]{0,63}?) *(?:\r?\n *([0-9]{1,3}))? *(?:\r?\n|$)")
# "cpu@47.8C" (JetPack 5: "CPU@47.8C"); a part that is switched off reads -256.
_ZONE = re.compile(r"(?<!\S)([A-Za-z][A-Za-z0-9_]{0,31})@(-?[0-9]{1,4}(?:\.[0-9]{1,6})?)C(?!\S)")
_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]{1,31}) ([0-9]{1,7})mW(?:/[0-9]{1,7}mW)?(?!\S)")
_GPU = re.compile(r"(?<!\S)GR3D_FREQ ([0-9]{1,3})%")
_MEMORY = re.compile(r"(?<!\S)RAM ([0-9]{1,7})/([0-9]{1,7})MB")
_OFF = -200.0  # degrees Celsius: below it a sensor has no reading

_TIMEOUT = 5.0  # seconds
_COMMANDS = {
    "nvpmodel": ("nvpmodel", "-q"),
    "tegrastats": ("tegrastats", "--interval", "200"),
}


@dataclass(frozen=True, slots=True)
class PowerState:
    """What a Jetson says about power and heat.

    Attributes:
        mode: name of its power mode: "MAXN", "15W"; empty where it does not say.
        number: of that mode, as `nvpmodel -m` takes it; None where it does not say.
        celsius: degrees by zone: cpu, gpu, tj (the hottest).
        milliwatts: power by rail; VDD_IN is the whole module of an Orin Nano or NX.
        gpu: how busy the GPU was, percent; None where unknown.
        memory: main memory in use, MB; None where unknown.
        events: over-current events by counter (oc1, oc2, oc3) since the board was started.
    """

    mode: str = ""
    number: int | None = None
    celsius: dict[str, float] | None = None
    milliwatts: dict[str, int] | None = None
    gpu: int | None = None
    memory: int | None = None
    events: dict[str, int] | None = None


def parse_nvpmodel(text: str) -> tuple[str, int | None]:
    """Return name and number of the power mode in an answer of `nvpmodel -q`; "" where none is."""
    match = _MODE.search(text)
    if match is None:
        return "", None
    return match[1], None if match[2] is None else int(match[2])


def parse_tegrastats(line: str) -> PowerState:
    """Return what one line of `tegrastats` says; what it leaves out is None."""
    zones = {name.lower(): float(value) for name, value in _ZONE.findall(line)}
    warm = {name: value for name, value in zones.items() if value > _OFF}
    rails = {name: int(value) for name, value in _RAIL.findall(line)}
    gpu, memory = _GPU.search(line), _MEMORY.search(line)
    return PowerState(
        celsius=warm or None,
        milliwatts=rails or None,
        gpu=None if gpu is None else int(gpu[1]),
        memory=None if memory is None else int(memory[1]),
    )


def _ask(name: str) -> str:
    """Return the first lines that a program of JetPack prints; empty where it is not there."""
    try:
        process = subprocess.Popen(
            _COMMANDS[name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    # tegrastats goes on for ever: one line of it is enough.
    with process:
        try:
            return _first_line(process) if name == "tegrastats" else _all(process)
        finally:
            with contextlib.suppress(OSError):
                process.kill()


def _first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    line = select.poll()  # select.select takes no handle of 1024 or more
    line.register(process.stdout, select.POLLIN)
    ready = line.poll(1000 * _TIMEOUT)
    return process.stdout.readline(4096).decode("utf-8", "replace") if ready else ""


def _all(process: subprocess.Popen[bytes]) -> str:
    try:
        answer, _ = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return ""
    return answer.decode("utf-8", "replace")


def _events(root: Path) -> dict[str, int]:
    found = {}
    for name in sorted(root.glob("sys/class/hwmon/hwmon*/name")):
        with contextlib.suppress(OSError, ValueError):
            if name.read_text(encoding="ascii").strip() != "soctherm_oc":
                continue
            for counter in sorted(name.parent.glob("oc*_event_cnt")):
                found[counter.name.partition("_")[0]] = int(counter.read_text(encoding="ascii"))
    return found


def read_power(root: Path = Path("/"), ask: Callable[[str], str] = _ask) -> PowerState | None:
    """Return the state of this machine; None where it is no Jetson.

    Args:
        root: where the kernel's files hang; another one only in tests.
        ask: gives what `nvpmodel` or `tegrastats` prints; another one only in tests.
    """
    mode, number = parse_nvpmodel(ask("nvpmodel"))
    seen = parse_tegrastats(ask("tegrastats"))
    state = PowerState(
        mode=mode,
        number=number,
        celsius=seen.celsius,
        milliwatts=seen.milliwatts,
        gpu=seen.gpu,
        memory=seen.memory,
        events=_events(root) or None,
    )
    return None if state == PowerState() else state


def power_changed(before: PowerState | None, after: PowerState | None) -> str:
    """Return why a measurement between two states does not count; empty where it does.

    1. The power mode was changed meanwhile.
    2. An over-current event happened meanwhile: hardware has then lowered the clocks.
    """
    if before is None or after is None:
        return ""
    if before.mode != after.mode:
        return f"the power mode was changed meanwhile, from {before.mode} to {after.mode}"
    old, new = before.events or {}, after.events or {}
    more = [name for name, count in new.items() if count > old.get(name, 0)]
    if more:
        return f"the board was slowed down meanwhile: over-current ({', '.join(more)})"
    return ""
