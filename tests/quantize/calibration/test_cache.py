"""Ranges on disk: the whole file or none, and a damaged one is none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantize.calibration import cache
from quantize.calibration.cache import cache_key, read_arrays, write_arrays
from tests.quantize.graphs import inswapper_like, reference_like

ARRAYS = {"a": np.arange(50, dtype=np.int64), "b": np.array("text")}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert write_arrays(tmp_path / "new", "k", ARRAYS)
    kept = read_arrays(tmp_path / "new", "k")
    assert kept is not None
    assert set(kept) == {"a", "b"}
    np.testing.assert_array_equal(kept["a"], ARRAYS["a"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["k.npz"]


def test_nothing_is_kept_under_another_key(tmp_path: Path) -> None:
    assert read_arrays(tmp_path, "k") is None
    write_arrays(tmp_path, "k", ARRAYS)
    (tmp_path / "k.npz").rename(tmp_path / "other.npz")
    assert read_arrays(tmp_path, "other") is None


def test_another_version_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path, "k", ARRAYS)
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert read_arrays(tmp_path, "k") is None


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_file_is_none_or_right(tmp_path: Path, data: st.DataObject) -> None:
    write_arrays(tmp_path, "k", ARRAYS)
    path = tmp_path / "k.npz"
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(whole)
    kept = read_arrays(tmp_path, "k")
    if kept is not None and "a" in kept:  # a flipped bit of a time stamp or of a name changes none
        np.testing.assert_array_equal(kept["a"], ARRAYS["a"])


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(tmp_path, "k", ARRAYS)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not write_arrays(tmp_path / "file", "k", ARRAYS)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert not write_arrays(tmp_path, "k", ARRAYS)
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_files_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    one, two, three, four = ("0" * 63 + str(number) for number in (1, 2, 3, 4))
    for number, name in enumerate((one, two, three)):
        write_arrays(tmp_path, name, ARRAYS)
        os.utime(tmp_path / f"{name}.npz", (number, number))
    read_arrays(tmp_path, two)  # used: newer than all
    write_arrays(tmp_path, four, ARRAYS)
    assert {path.stem for path in tmp_path.iterdir()} == {two, four}


def test_other_files_in_the_folder_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "KEPT", 1)
    mine = [tmp_path / f"{name}.npz" for name in ("data", "0" * 63, "A" * 64)]
    for path in mine:
        path.write_bytes(b"not ours")
        os.utime(path, (1, 1))
    key = cache_key(reference_like(), "samples")
    write_arrays(tmp_path, key, ARRAYS)
    assert set(tmp_path.iterdir()) == {*mine, tmp_path / f"{key}.npz"}


def test_the_key_changes_with_all_that_decides() -> None:
    model = reference_like()
    key = cache_key(model, "samples")
    assert cache_key(reference_like(), "samples") == key
    assert cache_key(model, "other samples") != key
    assert cache_key(inswapper_like(), "samples") != key
    weight = model.graph.initializer[0]
    data = bytearray(weight.raw_data)
    data[0] ^= 1
    weight.raw_data = bytes(data)
    assert cache_key(model, "samples") != key


def test_the_key_does_not_change_with_notes_for_people() -> None:
    model = reference_like()
    key = cache_key(model, "samples")
    model.doc_string, model.producer_name = "about", "somebody"
    assert cache_key(model, "samples") == key
