"""Build the wheel: into a folder, or twice, to see that it comes again byte for byte.

    build_wheel.py FOLDER
    build_wheel.py --twice

What builds it is pinned by the lock and installed already; where it is not (another Python than the
lock is for), pip fetches it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EPOCH = "1700000000"  # any moment; SOURCE_DATE_EPOCH is what reproducible builds are dated by


def build(source: Path, folder: Path) -> Path:
    """Build the wheel of a source tree into a folder, and return it."""
    words = ["wheel", "-qq", "--no-deps", "--wheel-dir", str(folder)]
    if all(importlib.util.find_spec(name) for name in ("hatchling", "editables")):
        words.append("--no-build-isolation")
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}
    environment.setdefault("SOURCE_DATE_EPOCH", EPOCH)
    subprocess.run(
        [sys.executable, "-m", "pip", *words, "."], cwd=source, env=environment, check=True
    )
    return next(folder.glob("*.whl"))


def copied(folder: Path) -> Path:
    """Copy what git knows or would take, with other times and rights, and return where it is."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place)
            place.chmod(0o600)
            os.utime(place, (1_000_000_000, 1_000_000_000))
    return folder


def twice() -> int:
    """Build here and from a copy elsewhere; return 1 where the two wheels differ."""
    with tempfile.TemporaryDirectory() as work:
        places = [Path(work) / name for name in ("first", "second", "elsewhere")]
        for place in places:
            place.mkdir()
        one = build(copied(places[2] / "one"), places[0])
        other = build(copied(places[2] / "another name"), places[1])
        if one.name != other.name or one.read_bytes() != other.read_bytes():
            sys.stdout.write("two builds of the wheel differ\n")
            return 1
    return 0


def main(arguments: list[str]) -> int:
    """Build."""
    if len(arguments) != 1:
        sys.stderr.write("usage: build_wheel.py FOLDER | --twice\n")
        return 2
    if arguments == ["--twice"]:
        return twice()
    build(ROOT, Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
