"""The kit's C++ core, compiled with Debian's headers, gives what Python gives: x86 and arm64."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edge import resources
from edge.records import Crop
from edge.swapmodel import open_swap_model
from tests.android_tools import tool

NATIVE = resources.targets_dir() / "android_nnapi" / "kit" / "native"
CROSS = Path("/usr/aarch64-linux-gnu")  # Debian's C library for arm64: all that the emulator needs
# What a Pi 5 says of itself: ONNX Runtime reads this file, and must not see the host's.
CPUINFO = "\n".join(
    f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 "
    "crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n"
    for core in range(4)
)


def _compile(compiler: str, library: Path, folder: Path) -> Path:
    """Compile the core and its check, warnings being errors, against one libonnxruntime."""
    headers = tool("headers") / "usr/include/onnxruntime"
    shutil.copy(library, folder / "libonnxruntime.so.1")
    program = folder / "check"
    command = [compiler, "-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    sources = [str(NATIVE / name) for name in ("edge_core.cpp", "check.cpp")]
    link = ["-L", str(folder), "-l:libonnxruntime.so.1", "-Wl,-rpath,$ORIGIN", "-o", str(program)]
    subprocess.run([*command, "-isystem", str(headers), *sources, *link], check=True)
    return program


@pytest.fixture(scope="module", params=["x86", "arm64"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command that runs the compiled check."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "x86":
        if shutil.which("g++") is None or platform.machine() != "x86_64":
            pytest.skip("needs g++ on x86_64: apt install g++")
        here = Path(onnxruntime.__file__).parent / "capi"
        libraries = sorted(here.glob("libonnxruntime.so.1*"))
        if not libraries:
            pytest.skip(f"{here} holds no libonnxruntime.so.1")
        return [str(_compile("g++", libraries[0], folder))]
    for name in ("aarch64-linux-gnu-g++", "qemu-aarch64-static"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}: apt install g++-aarch64-linux-gnu qemu-user-static")
    library = next((tool("aarch64") / "onnxruntime/capi").glob("libonnxruntime.so.1*"))
    built = _compile("aarch64-linux-gnu-g++", library, folder)
    root = folder / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(CPUINFO, encoding="ascii")
    (root / "lib").symlink_to(CROSS / "lib")
    libraries_of = f"LD_LIBRARY_PATH={folder}:/lib"
    emulator = ["qemu-aarch64-static", "-cpu", "cortex-a76", "-L", str(root), "-E", libraries_of]
    return [*emulator, str(built)]


def _run(program: list[str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = folder / "bare"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [*program, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert list(home.rglob("*")) == []  # nothing was written down about this use
    return done


def test_same_as_python(program: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    sample = cv2.imread(str(resources.samples_dir() / "source-1.jpg"))
    assert sample is not None
    crop = np.asarray(cv2.resize(sample, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    source = random.standard_normal(512).astype(np.float32)
    model = open_swap_model("ref_swapper", threads=1)
    picture, mask = model._swap_crop(Crop(crop, np.eye(2, 3)), source)
    crop.tofile(tmp_path / "crop")
    (source / np.linalg.norm(source)).astype(np.float32).tofile(tmp_path / "source")
    file = str(resources.weights_dir() / "ref_swapper.onnx")
    names = [str(tmp_path / name) for name in ("crop", "source", "picture", "mask")]
    done = _run(program, tmp_path, file, "ref_swapper", *names)
    assert (done.returncode, done.stderr) == (0, "")
    found = np.fromfile(tmp_path / "picture", np.uint8).reshape(picture.shape)
    share = np.fromfile(tmp_path / "mask", np.float32).reshape(mask.shape)
    assert np.abs(found.astype(int) - picture).max() <= 1
    assert np.abs(share - mask).max() <= 1 / 255
    assert np.abs(found.astype(int) - crop).max() > 10  # it is a swapped crop, not the target


def test_refuses_in_one_line(program: list[str], tmp_path: Path) -> None:
    np.zeros((128, 128, 3), np.uint8).tofile(tmp_path / "crop")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    names = [str(tmp_path / "crop"), "", str(tmp_path / "picture"), str(tmp_path / "mask")]
    for model, card in ((str(tmp_path / "model.onnx"), "ref_swapper"), ("x", "no_such_card")):
        done = _run(program, tmp_path, model, card, *names)
        assert done.returncode == 2
        assert done.stderr.startswith("check: ")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "picture").exists()
