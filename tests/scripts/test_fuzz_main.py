"""The long fuzzing of files: two of them never share a folder."""

import fcntl
from pathlib import Path

import pytest

from scripts import fuzz_main


def test_two_in_one_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_main, "run_corpus", lambda *_: [])
    call = ["--count", "1", "--folder", str(tmp_path)]
    assert fuzz_main.main(call) == 0
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        capsys.readouterr()
        assert fuzz_main.main(call) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"scripts/fuzz: another one runs in {tmp_path}: give --folder\n"
    assert fuzz_main.main(call) == 0
