"""What a command needs: given where it is there, else said in one line."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

import argparse
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.training.needed import needed_checkpoint, needed_pictures


def test_a_checkpoint_that_is_there(tmp_path: Path) -> None:
    torch.save({"step": 7}, tmp_path / "a.pt")
    found = needed_checkpoint(argparse.ArgumentParser(), tmp_path / "a.pt", "some.train")
    assert found == {"step": 7}


def test_what_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_TRAIN_DATA", str(tmp_path))
    parser = argparse.ArgumentParser()
    with pytest.raises(SystemExit, match="2"):
        needed_checkpoint(parser, tmp_path / "a.pt", "some.train")
    assert f"there is no {tmp_path / 'a.pt'}: scripts/train some.train" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        needed_pictures(parser, "strangers")
    said = capsys.readouterr().err
    assert "strangers" in said
    assert "scripts/train pairs" in said
