from __future__ import annotations

import ctypes
import os

import pytest

from edge.isolation import landlock


def test_a_kernel_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(landlock, "_call", refuses)
    assert landlock.version() == 0
    with pytest.raises(OSError, match="no Landlock"):
        landlock.restrict((), ())


@pytest.mark.parametrize(
    ("version", "size", "rights", "scoped"),
    [
        (1, 8, (1 << 13) - 1, 0),
        (2, 8, (1 << 14) - 1, 0),
        (3, 8, (1 << 15) - 1, 0),
        (4, 16, (1 << 15) - 1, 0),
        (5, 16, (1 << 16) - 1, 0),
        (6, 24, (1 << 16) - 1, 3),
        (9, 24, (1 << 16) - 1, 3),
    ],
)
def test_older_kernels_are_asked_for_what_they_know(
    version: int, size: int, rights: int, scoped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int, int]] = []

    def call(number: int, *values: object) -> int:
        if number == 444 and values[0] is None:
            return version
        if number == 444:
            rules = ctypes.cast(values[0], ctypes.POINTER(landlock._Ruleset)).contents  # type: ignore[arg-type]
            length = values[1]
            assert isinstance(length, int)
            net = rules.handled_access_net if length > 8 else 0
            asked.append((length, rules.handled_access_fs, net, rules.scoped))
            return 99
        return 0

    monkeypatch.setattr(landlock, "_call", call)
    monkeypatch.setattr(os, "close", lambda handle: None)
    assert landlock.restrict((), ()) == version
    assert asked == [(size, rights, 3 if size > 8 else 0, scoped)]
