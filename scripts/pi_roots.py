"""A Raspberry Pi without one: Debian's arm64 files, the aarch64 wheels, and an emulated processor.

Nothing is executed while a root is made, and no rights are needed: packages are unpacked, wheels
are installed for another platform, and qemu-user runs the root's own Python on them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QEMU, MMDEBSTRAP = "qemu-aarch64-static", "mmdebstrap"
GLIBC = ("2_34", "2_28", "2_27")  # tags of wheels that Bookworm and newer take
LITERT_ALONE = ("ai-edge-litert", "backports.strenum", "ml_dtypes", "tqdm")
"""What LiteRT adds to the other wheels: in a folder of its own, so that a run can do without."""

LAUNCHER = "usr/bin/python-emulated"
"""What a board's Python takes for itself, beside it in its root: a script that starts the emulator.
So a process of the board can start another, which the kernel would not."""


@dataclass(frozen=True, slots=True)
class System:
    """A release of Debian, which Raspberry Pi OS is built on, and its Python."""

    name: str
    python: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board: qemu's name of its processor, and what its /proc/cpuinfo says."""

    name: str
    cpu: str
    model: str
    features: str
    variant: str
    part: str
    revision: int


BOOKWORM, TRIXIE = System("bookworm", "3.11"), System("trixie", "3.13")
PI4 = Board(
    "pi4",
    "cortex-a72",
    "Raspberry Pi 4 Model B Rev 1.4",
    "fp asimd evtstrm crc32 cpuid",
    "0x0",
    "0xd08",
    3,
)
PI5 = Board(
    "pi5",
    "cortex-a76",
    "Raspberry Pi 5 Model B Rev 1.0",
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp",
    "0x4",
    "0xd0b",
    1,
)


def cpuinfo(board: Board) -> str:
    """Return /proc/cpuinfo of a board.

    Engines choose their kernels by it, and qemu 7 would show them the host's.
    """
    core = (
        f"BogoMIPS\t: 108.00\nFeatures\t: {board.features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: {board.variant}\nCPU part\t: {board.part}\n"
        f"CPU revision\t: {board.revision}\n"
    )
    cores = "\n".join(f"processor\t: {number}\n{core}" for number in range(4))
    return f"{cores}\nModel\t\t: {board.model}\n"


def mirror_in(sources: str) -> str:
    """Return the Debian archive that apt's sources name, in either format; empty: none."""
    live = "\n".join(line for line in sources.splitlines() if not line.lstrip().startswith("#"))
    uris = re.findall(r"(?:^URIs:|^deb(?:\s+\[[^\]]*\])?)\s+(\S+)", live, re.MULTILINE)
    plain = (uri.rstrip("/") for uri in uris)
    return next((uri for uri in plain if uri.endswith("/debian")), "")


def debian_mirror() -> str:
    """Return the archive that this machine's own apt uses, or EDGE_DEBIAN_MIRROR; empty: none."""
    etc = Path("/etc/apt")
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return os.environ.get("EDGE_DEBIAN_MIRROR") or mirror_in("\n".join(texts))


def wheel_options(python: str) -> list[str]:
    """Return what tells pip to take the aarch64 wheels for a Python."""
    platforms = [f"manylinux_{version}_aarch64" for version in GLIBC]
    platforms.append("manylinux2014_aarch64")
    options = [f"--platform={name}" for name in platforms]
    options += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    return [*options, f"--python-version={python}", "--implementation=cp", "--only-binary=:all:"]


def pip(*words: str) -> None:
    """Run this environment's pip, with the user's own configuration; quiet unless it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pi-test: pip failed: {done.stderr.strip()[-2000:]}")


def install(folder: Path, python: str, packages: Sequence[str], *more: str) -> None:
    """Install aarch64 wheels into a folder, whole or not at all; nothing where it is there."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.part."))
    try:
        pip("install", "-qq", f"--target={new}", *wheel_options(python), *more, *packages)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def unpack(folder: Path, system: System, mirror: str) -> None:
    """Unpack a release's Python, whole or not at all; nothing where it is there."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.part."))
    new.chmod(0o755)  # apt downloads as a user of its own
    packages = f"python3-minimal,libpython{system.python}-stdlib,libstdc++6,zlib1g,ca-certificates"
    options = ["--quiet", "--variant=extract", "--architectures=arm64", f"--include={packages}"]
    try:
        command = [MMDEBSTRAP, *options, system.name, str(new / "root"), mirror]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pi-test: mmdebstrap failed: {done.stderr.strip()[-2000:]}")
        library = new / "root" / "lib"
        if not library.exists():  # merged by a script of a package, and none has run
            library.symlink_to("usr/lib")
        (new / "root").rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def board_root(unpacked: Path, folder: Path, board: Board, system: System) -> None:
    """Make the tree of one board, with hard links to what is unpacked, and its `LAUNCHER`."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(unpacked, folder, symlinks=True, copy_function=os.link)
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc" / "cpuinfo").write_text(cpuinfo(board), encoding="ascii")
    launcher = folder / LAUNCHER
    launcher.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "usr" / "bin" / f"python{system.python}"
    command = [QEMU, "-cpu", board.cpu, "-L", folder, "-0", launcher, python]
    words = " ".join(shlex.quote(str(word)) for word in command)
    launcher.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)


def emulated(root: Path) -> list[str]:
    """Return the command that starts a root's Python on its board's processor."""
    return [str(root / LAUNCHER)]


def environment(root: Path, home: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Return the environment of an emulated process: nothing of the host's own is in it."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "EDGE_HOME": str(home / "edge"),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONWARNINGS": "ignore",
    }
