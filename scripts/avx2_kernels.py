"""ONNX Runtime held to its kernels for AVX2, on a processor that has more.

The engine has no switch for that: it asks the processor (cpuid) and takes the quickest kernels.
Here a copy of it in the cache folder has an illegal instruction in the place of every cpuid, and a
library that is loaded before it catches them and answers without AVX-512, VNNI and what builds on
them. So these are real kernels at their real speed, but of this processor, which an older one does
not match.

For `scripts/bench toolchain --kernels avx2` alone: nothing that is shipped knows of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edge.errors import UsageError

HELD = "EDGE_BENCH_KERNELS"
"""Environment variable that tells a process which kernels its engine is held to."""

_HANDLER = Path(__file__).with_name("avx2_kernels.c")
_LIBRARY = "capi/onnxruntime_pybind11_state*.so"
_CPUID, _UD2 = b"\x0f\xa2", b"\x0f\x0b"
_MOST_SITES = 500  # 1.32 has some 50


def avx2_environment(cache: Path) -> dict[str, str]:
    """Return the environment of a process whose ONNX Runtime has its AVX2 kernels alone.

    Args:
        cache: folder for the copy of the engine, about 60 MB; made once per version.

    Raises:
        UsageError: this is no x86-64 Linux, cc or objdump is missing, or something about the engine
            is not as expected.
    """
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise UsageError("--kernels avx2 needs an x86-64 processor and Linux")
    for tool, package in (("cc", "gcc"), ("objdump", "binutils")):
        if shutil.which(tool) is None:
            raise UsageError(f"--kernels avx2 needs {tool}: sudo apt install {package}")
    spec = find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise UsageError("--kernels avx2 needs ONNX Runtime: pip install 'edge-swap[cpu]'")
    source = Path(spec.origin).parent
    digest = hashlib.sha256(_HANDLER.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:8]
    home = cache / f"onnxruntime-{version('onnxruntime')}-avx2-{digest}"
    if not home.exists():
        _make(source, home)
    environment = {**os.environ, HELD: "avx2", "LD_PRELOAD": str(home / "answer.so")}
    # The second is for children that are fenced in: they may read what the linker looks through.
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        paths = (str(home), os.environ.get(name, ""))
        environment[name] = os.pathsep.join(path for path in paths if path)
    _probe(environment)
    return environment


def _make(source: Path, home: Path) -> None:
    """Copy the engine, exchange its cpuid instructions, and compile what answers in their place."""
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part / "onnxruntime", ignore=shutil.ignore_patterns("__pycache__"))
    libraries = sorted((part / "onnxruntime").glob(_LIBRARY))
    if len(libraries) != 1:
        raise UsageError(f"--kernels avx2: {len(libraries)} engines in {source}, not one")
    exchange(libraries[0])
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(part / "answer.so"), str(_HANDLER)]
    _output(command)
    part.replace(home)


def exchange(library: Path) -> int:
    """Put ud2 in the place of every cpuid of a library, and return of how many.

    Raises:
        UsageError: the file does not hold them where the disassembler sees them, or there are none.
    """
    found = sites(_output(["objdump", "-h", str(library)]), _disassembled(library))
    data = bytearray(library.read_bytes())
    wrong = [hex(place) for place in found if data[place : place + 2] != _CPUID]
    if wrong or not 0 < len(found) <= _MOST_SITES:
        trouble = f"no cpuid at {wrong[0]}" if wrong else f"{len(found)} cpuid instructions"
        raise UsageError(f"--kernels avx2: {library.name} is not as expected: {trouble}")
    for place in found:
        data[place : place + 2] = _UD2
    library.write_bytes(data)
    return len(found)


def sites(headers: str, code: str) -> list[int]:
    """Return where in a file its cpuid instructions are.

    Args:
        headers: what `objdump -h` prints: sections with their addresses and places in the file.
        code: what `objdump -d` prints; lines of other instructions may be left out.
    """
    number = r"([0-9a-f]+)"
    row = rf"^\s*\d+ \S+\s+{number}\s+{number}\s+{number}\s+{number}\s"
    sections = [tuple(int(text, 16) for text in one) for one in re.findall(row, headers, re.M)]
    places = []
    for text in re.findall(rf"^\s*{number}:.*\bcpuid\b", code, re.M):
        address = int(text, 16)
        for size, start, _, place in sections:
            if start <= address < start + size:
                places.append(address - start + place)
                break
    return places


def _disassembled(library: Path) -> str:
    """Return the lines with cpuid of a disassembly, which as a whole has millions."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(library)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        return "".join(line for line in process.stdout if "cpuid" in line)


def _probe(environment: Mapping[str, str]) -> None:
    """Run this file in the environment: it says which kernels the engine has there."""
    said = _output([sys.executable, "-m", "scripts.avx2_kernels"], environment)
    if said.strip() != "saturates":
        raise UsageError(
            "--kernels avx2: the engine's integer kernels do not saturate: it still has VNNI"
        )


def main() -> None:
    """Say whether the engine's kernels saturate: without VNNI they add two products in 16 bits."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    size, value = (64, 64), helper.make_tensor_value_info
    weight = numpy_helper.from_array(np.full(size, 127, np.int8), "b")
    ends = [value("a", TensorProto.UINT8, size)], [value("y", TensorProto.INT32, size)]
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    graph = helper.make_graph([node], "probe", *ends, [weight])
    opset = [onnx.helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)
    found = session.run(None, {"a": np.full(size, 255, np.uint8)})[0]
    sys.stdout.write("saturates\n" if found.max() < 64 * 255 * 127 else "exact\n")


def _output(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UsageError(f"--kernels avx2: {command[0]} failed ({done.returncode}): {last}")
    return done.stdout


if __name__ == "__main__":
    main()
