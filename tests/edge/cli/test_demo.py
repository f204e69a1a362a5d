from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from edge.cli import demo, main

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def _without_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else real(name)
    )


def test_the_demo_makes_what_it_names(
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    _without_toolchain(monkeypatch)
    folder = tmp_path / "out"
    assert main(["demo", "-o", str(folder)]) == 0
    page = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == sorted(demo.MADE)
    assert all(str(folder / name) in page for name in demo.MADE)
    assert "pip install 'edge-swap[quantize]'" in page
    report = json.loads((folder / "verify.json").read_text(encoding="ascii"))
    assert report["exit_status"] == 0
    assert len(report["files"]) == 2


def test_the_toolchain_joins_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="the quantize extra is not installed")
    calls: list[list[str]] = []
    monkeypatch.setattr(demo, "_command", calls.append)
    made = demo._quantize(tmp_path)
    assert [words[0] for words in calls] == ["quantize", "quantize", "compare"]
    assert made == [
        "models/ref_swapper.x86_cpu.fp16.onnx",
        "models/ref_swapper.x86_cpu.int8.onnx",
        "report.html",
    ]
    compared = calls[-1]
    assert [str(tmp_path / name) for name in made[:2]] == compared[2:4]
    assert compared[compared.index("--report") + 1] == str(tmp_path / "report.html")


def test_the_commands_shown_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the demo types must be understood by the commands' own parsers."""
    import argparse

    pytest.importorskip("onnx", reason="the quantize extra is not installed")
    from edge.cli import _load

    calls: list[list[str]] = []
    monkeypatch.setattr(demo, "_command", calls.append)
    demo._quantize(tmp_path)
    assert demo._bundle(tmp_path, tmp_path / "in.jpg") == [demo.BUNDLE, demo.FROM_BUNDLE]
    assert [words[0] for words in calls][-2:] == ["build", "run"]
    for name, *words in calls:
        parser = argparse.ArgumentParser()
        command = _load(name)
        assert command is not None
        command.configure(parser)
        parser.parse_args(words)


def test_a_machine_that_is_no_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert demo._bundle(tmp_path, tmp_path / "in.jpg") == []
    assert "no target is a machine like this one (riscv64)" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    assert main(["demo", "-o", str(tmp_path / "file" / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cannot be made" in error
