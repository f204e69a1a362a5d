"""How large the runtime is on a device, by extra: `scripts/bench footprint`.

The wheels that pip would install are downloaded, for x86-64 and for aarch64, and what is in them is
counted unpacked. Nothing is installed. What several extras share is counted with the base once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("", "cpu", "litert", "mnn", "ncnn", "openvino", "video", "quantize")
"""The base, and what is asked for beside it."""

PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "aarch64": (
        "manylinux_2_34_aarch64",
        "manylinux_2_31_aarch64",
        "manylinux_2_28_aarch64",
        "manylinux_2_27_aarch64",
        "manylinux2014_aarch64",
    ),
}
PYTHON = "3.11"  # that of Raspberry Pi OS Bookworm

SPARE: Mapping[str, str] = {
    "libc2pa_c.rlib": "a static library of c2pa-python that nothing loads",
    "libonnxruntime.so": "ONNX Runtime a second time, for programs in C",
}
"""Files that a device can do without, by a part of their name."""


@dataclass(frozen=True, slots=True)
class Size:
    """What an extra adds.

    Attributes:
        packages: Bytes of each package, unpacked.
        spare: Bytes that can be left out.
    """

    packages: Mapping[str, int]
    spare: int

    @property
    def total(self) -> int:
        """Bytes of all packages."""
        return sum(self.packages.values())


def unpacked(wheel: Path) -> tuple[str, int, int]:
    """Return the package's name, its bytes unpacked, and those that can be left out."""
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    spare = sum(
        entry.file_size for entry in entries if any(part in entry.filename for part in SPARE)
    )
    return wheel.name.split("-")[0], sum(entry.file_size for entry in entries), spare


def size_of(wheels: Sequence[Path]) -> Size:
    """Return what a set of wheels takes."""
    found = [unpacked(wheel) for wheel in wheels]
    return Size({name: size for name, size, _ in found}, sum(spare for *_, spare in found))


def without(size: Size, base: Size) -> Size:
    """Return what a size adds to another one."""
    more = {name: bytes_ for name, bytes_ in size.packages.items() if name not in base.packages}
    return Size(more, max(0, size.spare - base.spare))


def run_pip(arguments: Sequence[str]) -> None:
    """Run pip; what it has to say of a failure goes to the terminal.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], check=False)
    if done.returncode:
        raise SystemExit(2)


def download(wheel: Path, extra: str, architecture: str, folder: Path) -> Size:
    """Download what an extra needs on an architecture, and return its size."""
    folder.mkdir(parents=True)
    command = ["download", "-q", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", PYTHON, "--implementation", "cp"]
    for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in PLATFORMS[architecture]:
        command += ["--platform", platform]
    run_pip([*command, f"{wheel}[{extra}]" if extra else str(wheel)])
    return size_of(sorted(folder.glob("*.whl")))


def measured(extras: Sequence[str], architectures: Sequence[str]) -> dict[str, dict[str, Size]]:
    """Return what each extra adds to the base, by architecture and extra; "" is the base."""
    found: dict[str, dict[str, Size]] = {}
    with tempfile.TemporaryDirectory(prefix="edge-footprint-") as name:
        folder = Path(name)
        run_pip(["wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
        (wheel,) = folder.glob("*.whl")
        for architecture in architectures:
            sizes = {
                extra: download(wheel, extra, architecture, folder / architecture / (extra or "-"))
                for extra in extras
            }
            base = sizes[""]
            found[architecture] = {
                extra: size if not extra else without(size, base) for extra, size in sizes.items()
            }
    return found


def _table(found: Mapping[str, Mapping[str, Size]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("MB, unpacked")
    for architecture in found:
        table.add_column(architecture, justify="right")
        table.add_column("spare", justify="right")
    table.add_column("largest packages")
    for extra in next(iter(found.values())):
        cells = [f"[{extra}]" if extra else "base"]
        for sizes in found.values():
            cells += [f"{sizes[extra].total / 1e6:.0f}", f"{sizes[extra].spare / 1e6:.0f}"]
        packages = next(iter(found.values()))[extra].packages
        largest = sorted(packages.items(), key=lambda each: -each[1])[:4]
        cells.append(", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest))
        table.add_row(*cells)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench footprint", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    found = measured(EXTRAS, tuple(PLATFORMS))
    if options.json:
        shown = {
            architecture: {
                extra or "base": {"packages": dict(size.packages), "spare": size.spare}
                for extra, size in sizes.items()
            }
            for architecture, sizes in found.items()
        }
        sys.stdout.write(json.dumps({"python": PYTHON, "bytes": shown}, indent=2) + "\n")
        return 0
    console = Console(markup=False)
    console.print(_table(found))
    console.print(f"Python {PYTHON}; an extra is what it adds to the base. Spare:")
    for part, why in SPARE.items():
        console.print(f"  {part}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
