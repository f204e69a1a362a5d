"""bfloat16 is used where it is quicker, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.training import precision  # noqa: E402


@pytest.mark.parametrize(
    ("line", "does"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("flags\t\t: fpu avx2 amx_tile amx_bf16", True),
        ("Features\t: fp asimd asimddp bf16", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("Features\t: fp asimd asimddp", False),
        ("", False),
    ],
)
def test_the_processor_says_whether_it_computes_in_bf16(
    tmp_path: Path, line: str, does: bool
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    assert precision.cpu_computes_in_bf16(tmp_path) is does


@pytest.mark.parametrize(("does", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_network_runs_in_what_the_processor_computes_in(
    monkeypatch: pytest.MonkeyPatch, does: bool, kind: Any
) -> None:
    monkeypatch.setattr(precision, "cpu_computes_in_bf16", lambda: does)
    with precision.quick_autocast("cpu"):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype is kind
