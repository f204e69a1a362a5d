"""What machine this is: processor, memory, clock. A figure in a report is worth nothing without it.

Everything is read from the kernel's own files; what a machine does not tell is None or empty.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

# Features that decide how fast the engines' kernels are, as /proc/cpuinfo spells them. x86 first;
# then ARM: asimdhp is half precision, asimddp the int8 dot product, i8mm int8 matrices.
_FEATURES = (
    "avx2",
    "f16c",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_int8",
    "asimd",
    "neon",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that this process runs on.

    Attributes:
        board: Name of the board or computer, empty where it has none.
        processor: Model name of the processor.
        architecture: As the kernel names it: x86_64, aarch64.
        cores: Cores that this process may use.
        features: Instruction sets that matter to inference.
        memory: Bytes of main memory, None where unknown.
        governor: Policy that sets the clock (performance, ondemand), empty where there is none.
        system: Name and version of the operating system.
        kernel: Version of the kernel.
    """

    board: str
    processor: str
    architecture: str
    cores: int
    features: tuple[str, ...]
    memory: int | None
    governor: str
    system: str
    kernel: str


def this_machine(root: Path = Path("/")) -> Machine:
    """Return what this machine says about itself.

    Args:
        root: Where the kernel's files hang; another one only in tests.
    """
    cpuinfo = _read(root / "proc/cpuinfo")
    return Machine(
        board=_board(root),
        processor=_processor(cpuinfo),
        architecture=platform.machine(),
        cores=_cores(),
        features=_features(cpuinfo),
        memory=_memory(root),
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        system=_system(root),
        kernel=platform.release(),
    )


def is_emulated(root: Path = Path("/")) -> bool:
    """Tell whether an emulator runs this program, as far as that shows: its times mean nothing.

    Under qemu's user mode a program is of another architecture than the system's own first
    process, and than the process that started it.

    Args:
        root: Where the kernel's files hang; another one only in tests.
    """
    own = _elf_machine(root / "proc/self/exe") or _elf_machine(Path(sys.executable))
    others = (_elf_machine(root / f"proc/{process}/exe") for process in (os.getppid(), 1))
    return own is not None and any(other not in (None, own) for other in others)


def _elf_machine(path: Path) -> bytes | None:
    """Return the field of an ELF file's header that names the architecture."""
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return None
    return header[18:20] if header[:4] == b"\x7fELF" else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, *names: str, separator: str = ":") -> str:
    """Return the value of the first line `name : value` with one of the names."""
    for line in text.splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() in names:
            return value.strip()
    return ""


def _board(root: Path) -> str:
    model = _read(root / "proc/device-tree/model").rstrip("\0\n")
    return model or _read(root / "sys/devices/virtual/dmi/id/product_name").strip()


# ARM kernels give numbers instead of names; these are the cores of the boards we meet.
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd42": "Cortex-A78AE",
}


def _processor(cpuinfo: str) -> str:
    named = _field(cpuinfo, "model name", "Model name")
    if named:
        return named
    part = _field(cpuinfo, "CPU part")
    return _ARM_PARTS.get(part, f"ARM part {part}" if part else platform.processor() or "unknown")


def features_of(root: Path = Path("/")) -> frozenset[str]:
    """Return every feature of the processor, as /proc/cpuinfo spells them.

    Args:
        root: Where the kernel's files hang; another one only in tests.
    """
    return frozenset(_field(_read(root / "proc/cpuinfo"), "flags", "Features").split())


def _features(cpuinfo: str) -> tuple[str, ...]:
    present = set(_field(cpuinfo, "flags", "Features").split())
    return tuple(name for name in _FEATURES if name in present)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(root: Path) -> int | None:
    total = _field(_read(root / "proc/meminfo"), "MemTotal").split()
    return int(total[0]) * 1024 if total and total[0].isdigit() else None


def _system(root: Path) -> str:
    release = _read(root / "etc/os-release")
    return _field(release, "PRETTY_NAME", separator="=").strip("\"'") or platform.system()
