"""Say under which licences the packages of this environment are, and refuse what does not go along.

    licences.py EXTRA...     those of the runtime and of these extras; --all prints each of them

A package of the product must state a licence that lets others pass it on with it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.locked import closure, plain, project_table, read_lock, wanted

_STRICT = re.compile(r"\bA?GPL|Affero|GNU General Public", re.IGNORECASE)
_LESSER = re.compile(r"\bLGPL|Lesser", re.IGNORECASE)


def licence_of(found: metadata.Distribution) -> str:
    """Return the licence that a package states: its expression, classifiers or field; else ""."""
    facts = cast(Any, found.metadata)  # an email.message.Message, whatever its annotation says
    expression = facts.get("License-Expression") or ""
    classifiers = [
        each.split("::")[-1].strip()
        for each in facts.get_all("Classifier") or ()
        if each.startswith("License ::") and each.count("::") > 1
    ]
    field = (facts.get("License") or "").strip().splitlines()
    return expression or ", ".join(classifiers) or (field[0][:60] if field else "")


def complaint(licence: str) -> str | None:
    """Return what is wrong with a licence, or None."""
    if not licence or licence == "UNKNOWN":
        return "states no licence"
    strict = _STRICT.search(licence) and not _LESSER.search(licence)
    # "MIT OR GPL-3.0" leaves the choice.
    return f"is under {licence}" if strict and " OR " not in licence else None


def main(arguments: list[str]) -> int:
    """Print what was found; return 1 where a package does not go along."""
    root = Path(__file__).resolve().parent.parent
    project = project_table(root)
    pins = read_lock((root / "scripts" / "lock.txt").read_text(encoding="utf-8"))
    extras = [each for each in arguments if each != "--all"]
    product = closure(pins, wanted(project, extras))
    counted: Counter[str] = Counter()
    wrong = []
    for found in metadata.distributions():
        name = plain(found.metadata["Name"] or "")
        if name not in product:
            continue
        licence = licence_of(found)
        counted[licence or "none stated"] += 1
        if "--all" in arguments:
            sys.stdout.write(f"{name} {found.version}: {licence or 'none stated'}\n")
        if (what := complaint(licence)) is not None:
            wrong.append(f"{name} {found.version} {what}")
    summary = ", ".join(f"{count} {licence}" for licence, count in counted.most_common())
    sys.stdout.write(f"licences of {sum(counted.values())} packages: {summary}\n")
    sys.stdout.writelines(f"{each}\n" for each in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
