"""Print what the lock pins for some extras: requirements with hashes, as pip takes them.

    locked.py LOCK NAME...

A NAME is an extra of pyproject.toml, or a package. What a package needs is found by the lock's own
notes ("# via"), so that one file serves every set of extras.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS = "edge-swap"


@dataclass
class Pin:
    """One pinned version of a package, under one condition.

    Attributes:
        lines: As they stand in the lock: requirement, condition, hashes.
        via: Names of the packages that need it; "edge-swap" is this project.
    """

    lines: list[str]
    via: set[str] = field(default_factory=set)


def plain(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[str, list[Pin]]:
    """Return the pins of a lock by package."""
    pins: dict[str, list[Pin]] = {}
    current: Pin | None = None
    for line in text.splitlines():
        found = _PIN.match(line)
        if found:
            current = Pin([line])
            pins.setdefault(plain(found[1]), []).append(current)
        elif current is not None and line.strip().startswith("--hash="):
            current.lines.append(line)
        elif current is not None and line.startswith("    #"):
            name = _NAME.match(re.sub(r"^ *#( via)? *", "", line))
            if name:
                current.via.add(plain(name[0]))
    return pins


def wanted(project: dict[str, Any], names: list[str]) -> set[str]:
    """Return the packages that the project itself asks for: always, and for these extras."""
    extras = project["optional-dependencies"]
    asked = list(project["dependencies"])
    for name in names:
        asked += extras.get(name, [name])
    return {plain(found[0]) for found in map(_NAME.match, asked) if found}


def closure(pins: dict[str, list[Pin]], roots: set[str]) -> set[str]:
    """Return the roots and all that they need."""
    needs: dict[str, set[str]] = {}
    for name, versions in pins.items():
        for pin in versions:
            for user in pin.via - {_OURS}:
                needs.setdefault(user, set()).add(name)
    found: set[str] = set()
    todo = [name for name in roots if name in pins]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += needs.get(name, ())
    return found


def project_table(root: Path) -> dict[str, Any]:
    """Return the table [project] of a checkout's pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["project"]
    return table


def main(arguments: list[str]) -> int:
    """Print the pins; return 2 where the lock lacks something."""
    if len(arguments) < 2:
        sys.stderr.write("usage: locked.py LOCK NAME...\n")
        return 2
    root = Path(__file__).resolve().parent.parent
    project = project_table(root)
    pins = read_lock(Path(arguments[0]).read_text(encoding="utf-8"))
    roots = wanted(project, arguments[1:])
    conditional = {"tomli", "tflite-runtime", "openvino"}  # not for every Python, or not locked
    missing = sorted(roots - set(pins) - conditional)
    if missing:
        sys.stderr.write(f"not in {arguments[0]}: {', '.join(missing)}; run scripts/lock\n")
        return 2
    for name in sorted(closure(pins, roots)):
        for pin in pins[name]:
            sys.stdout.write("\n".join(pin.lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
