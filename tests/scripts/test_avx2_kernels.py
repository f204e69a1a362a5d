"""ONNX Runtime held to its AVX2 kernels: cpuid found and exchanged, what is unexpected refused."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import UsageError
from scripts import avx2_kernels
from scripts.avx2_kernels import avx2_environment, exchange, sites

HEADERS = """
Sections:
Idx Name          Size      VMA               LMA               File off  Algn
  0 .note         00000024  0000000000000270  0000000000000270  00000270  2**2
                  CONTENTS, ALLOC, LOAD, READONLY, DATA
  1 .text         00000100  0000000000002000  0000000000002000  00001000  2**4
                  CONTENTS, ALLOC, LOAD, READONLY, CODE
  2 .more         00000100  0000000000004000  0000000000004000  00002800  2**4
"""
CODE = """
    2010:	cpuid
    2012:	mov    %ebx,0x4(%rsi)
    4008:	cpuid  # the second
    9000:	cpuid
"""
TOOLS = all(shutil.which(tool) for tool in ("cc", "objdump"))
X86 = sys.platform == "linux" and TOOLS and platform.machine() == "x86_64"


def test_addresses_become_places_in_the_file() -> None:
    assert sites(HEADERS, CODE) == [0x1010, 0x2808]
    assert sites(HEADERS, "    2010:	mov %eax,%ebx\n") == []


def compiled(folder: Path, body: str) -> Path:
    source, library = folder / "a.c", folder / "a.so"
    source.write_text(f"#include <cpuid.h>\nint f(void) {{ {body} }}\n", encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


@pytest.mark.skipif(not X86, reason="needs cc and objdump on x86-64")
def test_every_cpuid_is_exchanged_and_nothing_else(tmp_path: Path) -> None:
    library = compiled(tmp_path, "unsigned a, b, c, d; __cpuid(1, a, b, c, d); return a + d;")
    before = library.read_bytes()
    assert exchange(library) == 1
    after = library.read_bytes()
    changed = [index for index in range(len(before)) if before[index] != after[index]]
    assert [before[i] for i in changed] == [0xA2]
    assert after[changed[0] - 1 : changed[0] + 1] == b"\x0f\x0b"


@pytest.mark.skipif(not X86, reason="needs cc and objdump on x86-64")
def test_a_library_without_is_refused_and_left_alone(tmp_path: Path) -> None:
    library = compiled(tmp_path, "return 1;")
    before = library.read_bytes()
    with pytest.raises(UsageError, match=r"a\.so is not as expected: 0 cpuid instructions"):
        exchange(library)
    assert library.read_bytes() == before


@pytest.mark.skipif(not X86, reason="needs cc and objdump on x86-64")
def test_a_file_that_holds_something_else_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = compiled(tmp_path, "return 1;")
    monkeypatch.setattr(avx2_kernels, "sites", lambda *_: [64])
    with pytest.raises(UsageError, match="no cpuid at 0x40"):
        exchange(library)


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "objdump" else f"/bin/{tool}")
    reason = "objdump: sudo apt install binutils" if X86 else "--kernels avx2"
    with pytest.raises(UsageError, match=reason):
        avx2_environment(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_engine_that_is_not_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, refused in (("exact\n", True), ("saturates\n", False)):
        monkeypatch.setattr(avx2_kernels, "_output", lambda *_, said=said: said)
        if refused:
            with pytest.raises(UsageError, match="it still has VNNI"):
                avx2_kernels._probe({})
        else:
            avx2_kernels._probe({})
