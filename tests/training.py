"""What the tests of commands of `scripts/train` share."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


def refusal(
    command: ModuleType,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """Run a command on a folder of training data, see it end with status 2, return what it says."""
    monkeypatch.setenv("EDGE_TRAIN_DATA", str(data))
    monkeypatch.setattr("sys.argv", [command.__name__])
    with pytest.raises(SystemExit) as leave:
        command.main()
    assert leave.value.code == 2
    return capsys.readouterr().err
