from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.locked import closure, main, plain, read_lock, wanted

ROOT = Path(__file__).parents[2]
LOCKS = ("scripts/lock.txt", "scripts/legacy-lock.txt")

LOCK = """# Made by scripts/lock.
alpha==1.0 ; python_full_version < '3.11' \\
    --hash=sha256:aa
    # via edge-swap (pyproject.toml)
alpha==2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   beta
    #   edge-swap (pyproject.toml)
Beta.Two==3 \\
    --hash=sha256:dd
    # via alpha
gamma==4 \\
    --hash=sha256:ee
"""


def test_what_a_package_needs_comes_along() -> None:
    pins = read_lock(LOCK)
    assert set(pins) == {"alpha", "beta-two", "gamma"}
    assert [pin.lines[0].split()[0] for pin in pins["alpha"]] == ["alpha==1.0", "alpha==2.0"]
    assert pins["alpha"][1].lines[1:] == ["    --hash=sha256:bb \\", "    --hash=sha256:cc"]
    assert closure(pins, {"alpha"}) == {"alpha", "beta-two"}
    assert closure(pins, {"gamma"}) == {"gamma"}
    assert closure(pins, {"none"}) == set()


def test_what_the_project_asks_for() -> None:
    project = {"dependencies": ["Num_Py>=1"], "optional-dependencies": {"x": ["rich[a]>=2"]}}
    assert wanted(project, ["x", "pnnx"]) == {"num-py", "rich", "pnnx"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_index_is_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "http" not in text
    assert "index" not in re.sub(r"#.*", "", text)
    for package, pins in read_lock(text).items():
        for pin in pins:
            assert any("--hash=sha256:" in line for line in pin.lines), package
            assert pin.lines[0].startswith(f"{package}==") or plain(pin.lines[0].split("==")[0])


@pytest.mark.parametrize(
    "names",
    [
        ["cpu", "video", "quantize", "build"],
        ["cpu", "video", "litert", "mnn", "ncnn", "live", "dev", "build"],
        ["cpu", "video", "litert", "live", "dev", "audit", "build"],
    ],
)
def test_what_the_scripts_install_is_locked(
    names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(ROOT / "scripts" / "lock.txt"), *names]) == 0
    out = capsys.readouterr().out
    assert "numpy==" in out
    assert "hatchling==" in out
    assert ("matplotlib==" in out) is False
    assert out.count("--hash=sha256:") > out.count("==")


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT / "scripts" / "lock.txt"), "no-such-thing"]) == 2
    assert "run scripts/lock" in capsys.readouterr().err
    assert main([]) == 2


def test_it_runs_before_anything_is_installed() -> None:
    words = [sys.executable, "-I", str(ROOT / "scripts" / "locked.py")]
    done = subprocess.run(
        [*words, str(ROOT / "scripts" / "lock.txt"), "cpu"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "onnxruntime==" in done.stdout


def test_the_scripts_install_with_hashes() -> None:
    text = (ROOT / "scripts" / "environment.sh").read_text(encoding="utf-8")
    assert "--require-hashes -r" in text
    assert "--no-build-isolation" in text
