"""Check what is committed: no path of a developer's machine, and nothing big but weights."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST_FILE = 3_000_000  # bytes; a clone must stay quick on a board's SD card
LARGEST_WEIGHTS = 20_000_000  # bytes, all weights together; float32, a wheel carries them
WEIGHTS = "models/weights/"

# A path into somebody's machine, but not the end of a longer relative path.
MACHINE_PATH = re.compile(rb"(?<![\w.~-])/(?:work|root)/[\w.]")
OUTSIDE = re.compile(rb"\.\./shared\b")
MAY_NAME_OUTSIDE = {".ci/run"}  # reads files that lie beside the checkout on the build machine


def committed(root: Path) -> list[Path]:
    """Return the files that git tracks, relative to `root`."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True
    ).stdout
    names = [Path(name) for name in listing.decode().split("\0") if name]
    return [name for name in names if (root / name).is_file()]


def complaints(root: Path, name: Path) -> Iterator[str]:
    """Yield what is wrong with one committed file."""
    data = (root / name).read_bytes()
    if len(data) > LARGEST_FILE and not name.as_posix().startswith(WEIGHTS):
        yield f"{name}: {len(data)} bytes, more than {LARGEST_FILE}"
    if b"\0" in data[:8192]:
        return
    for number, line in enumerate(data.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            yield f"{name}:{number}: names a path of one machine"
        if OUTSIDE.search(line) and name.as_posix() not in MAY_NAME_OUTSIDE:
            yield f"{name}:{number}: names a folder outside the repository"


def main() -> int:
    """Print every complaint; return 1 when there is one."""
    root = Path(__file__).resolve().parent.parent
    names = committed(root)
    found = [text for name in names for text in complaints(root, name)]
    weights = sum(
        (root / name).stat().st_size for name in names if name.as_posix().startswith(WEIGHTS)
    )
    if weights > LARGEST_WEIGHTS:
        found.append(f"{WEIGHTS}: {weights} bytes in all, more than {LARGEST_WEIGHTS}")
    sys.stdout.writelines(f"{text}\n" for text in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
