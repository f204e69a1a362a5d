from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from edge.errors import EngineMissing
from edge.media.pyav import load_av, reason, working_matrix


def test_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EngineMissing, match=r"edge-swap\[video\]"):
        load_av()


def test_too_old_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(__version__="16.0.1"))
    with pytest.raises(EngineMissing, match=r"PyAV 16\.0\.1 is too old"):
        load_av()


def test_reason_is_half_a_sentence() -> None:
    assert reason(OSError(5, "Input/output error", "a.mp4")) == "input/output error"
    assert reason(ValueError("No such thing")) == "no such thing"


@pytest.mark.parametrize("matrix", [1, 5, 7, 9])
def test_working_matrix_is_one_that_is_known(matrix: int) -> None:
    pytest.importorskip("av", reason="videos need PyAV")
    found = working_matrix(load_av(), matrix)
    assert found == matrix or (matrix, found) == (9, 1)
