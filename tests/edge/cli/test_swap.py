"""`edge swap`: exit status, one line for an error, JSON for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from tests.scene import ARGUMENTS, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def words(ready: Stage, source: Path, output: Path, *more: str) -> list[str]:
    start = ["swap", "--identity", str(ready.identity_file), "--input", str(source)]
    return [*start, "--output", str(output), *ARGUMENTS, *more]


LEAVE = ("--purpose", "film", "--target-is", "synthetic")


def test_picture(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.jpg"
    assert main(words(ready, ready.picture(), output, *LEAVE)) == 0
    assert "CPUExecutionProvider" in capsys.readouterr().out
    assert main(["verify", str(output)]) == 0


def test_json(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.png"
    assert main(words(ready, ready.picture(), output, *LEAVE, "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["faces"] == 2
    assert shown["output"] == str(output)


def test_folder_with_a_failure_is_status_2(
    ready: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    write(folder / "a.png", target())
    (folder / "b.png").write_bytes(b"nothing")
    assert main(words(ready, folder, ready.folder / "out", *LEAVE, "--json")) == 2
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["outputs"]) == 1
    assert len(shown["failed"]) == 1


@pytest.mark.parametrize(
    "leave",
    [
        ("--purpose", "film"),
        ("--purpose", "game", "--target-is", "synthetic"),
        ("--purpose", "film", "--target-consent", "missing.json"),
    ],
    ids=["no statement", "other purpose", "missing target consent"],
)
def test_refusals_are_one_line(
    ready: Stage, capsys: pytest.CaptureFixture[str], leave: tuple[str, ...]
) -> None:
    output = ready.folder / "out.jpg"
    assert main(words(ready, ready.picture(), output, *leave)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edge swap: ")
    assert shown.err.count("\n") == 1
    assert not output.exists()
    assert main(["ledger", "show", "--json"]) == 0
    assert "refus" in capsys.readouterr().out


def test_unknown_model_is_one_line(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    command = words(ready, ready.picture(), ready.folder / "out.jpg", *LEAVE)
    assert main([*command, "--model", "nonesuch"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_full_disk_leaves_nothing(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    import resource

    output = ready.folder / "out.png"
    source = ready.picture()
    before = {path.name for path in ready.folder.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
        status = main(words(ready, source, output, *LEAVE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path.name for path in ready.folder.iterdir()} == before
