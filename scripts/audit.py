"""Ask a public service, by pip-audit, about known vulnerabilities of what is locked.

A check for developers, and the one that needs a service of others: where it cannot be reached, that
is said, and nothing fails. What it finds is printed. It fails for nobody's commit: an advisory can
appear any day, and the lock is renewed by scripts/lock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 90.0


def findings(report: str) -> list[str]:
    """Return one line for each package with advisories in a report of pip-audit's, as JSON."""
    return [
        f"{each['name']} {each['version']}: {', '.join(one['id'] for one in each['vulns'])}"
        for each in json.loads(report)["dependencies"]
        if each.get("vulns")
    ]


def audited(report: str) -> int:
    """Return how many packages the service knew."""
    return sum("vulns" in each for each in json.loads(report)["dependencies"])


def main(arguments: list[str]) -> int:
    """Audit a file of requirements with hashes; always 0."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        words = ["--requirement", arguments[0], "--disable-pip", "--require-hashes"]
        words += ["--format", "json", "--output", str(output), "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pip_audit", *words],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            if "No module named" in done.stderr:
                sys.stdout.write("pip-audit is not installed here: not audited\n")
                return 0
            report = output.read_text(encoding="utf-8")
            found, asked = findings(report), audited(report)
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
            sys.stdout.write("the service for advisories cannot be reached: not audited\n")
            return 0
    if not asked:
        sys.stdout.write("the service for advisories answered about no package: not audited\n")
        return 0
    sys.stdout.writelines(f"known vulnerability: {each}\n" for each in found)
    total = len(json.loads(report)["dependencies"])
    left = f" (of {total}; the service knows no others)" if asked < total else ""
    sys.stdout.write(f"{len(found)} of {asked} locked packages{left} have known vulnerabilities\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
