"""Check a built wheel: the right packages at the top, all data inside, nothing of the workshop."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {"edge", "quantize"}

# Folders of the checkout and where the wheel must carry every committed file of theirs.
DATA = {
    "models/cards": "edge/_models/cards",
    "models/weights": "edge/_models/weights",
    "models/samples": "edge/_models/samples",
    "models/samples/faces": "edge/_models/samples/faces",
    "targets/android_nnapi": "edge/_targets/android_nnapi",
    "targets/generic_arm64": "edge/_targets/generic_arm64",
    "targets/jetson": "edge/_targets/jetson",
    "targets/raspberry_pi": "edge/_targets/raspberry_pi",
    "targets/x86_cpu": "edge/_targets/x86_cpu",
    "quantize/recipes": "quantize/recipes",
}
SUFFIXES = {".toml", ".onnx", ".jpg", ".mp4", ".json"}


def complaints(wheel: Path, root: Path) -> Iterator[str]:
    """Yield what is wrong with `wheel`, built from the checkout at `root`."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for top in sorted({name.split("/")[0] for name in names}):
        if top not in PACKAGES and not top.endswith(".dist-info"):
            yield f"'{top}' would land at the top of site-packages"
    for source, place in DATA.items():
        files = sorted(f for f in (root / source).glob("*") if f.suffix in SUFFIXES)
        if not files:
            yield f"the checkout has nothing in {source}"
        for file in files:
            if f"{place}/{file.name}" not in names:
                yield f"{source}/{file.name} is not in the wheel"
    for name in sorted(names):
        if name.endswith((".py", ".pt", ".ckpt")) and name.startswith("edge/_models/"):
            yield f"{name} belongs to the workshop, not into the wheel"
    if not any(name.endswith("sboms/sbom.cdx.json") for name in names):
        yield "the bill of materials is not in the wheel"
    if not any(name.endswith("licenses/LICENSE") for name in names):
        yield "the licence is not in the wheel"


def main(arguments: list[str]) -> int:
    """Print every complaint; return 1 when there is one, 2 for a wrong call."""
    if len(arguments) != 1:
        sys.stderr.write("usage: check_wheel.py WHEEL\n")
        return 2
    root = Path(__file__).resolve().parent.parent
    found = list(complaints(Path(arguments[0]), root))
    sys.stdout.writelines(f"wheel: {text}\n" for text in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
