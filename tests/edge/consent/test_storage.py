from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from edge.consent import storage
from edge.consent.storage import changing, is_there, read_record, write_private
from edge.errors import ConsentError, OutputError


def test_a_file_is_written_whole_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_private(path, b"one")
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.json"]


def test_a_link_to_nothing_is_there_and_what_has_no_folder_is_not(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(tmp_path / "gone")
    write_private(file, b"one")
    assert [is_there(path, "consent", ConsentError) for path in (link, file)] == [True, True]
    for path in (tmp_path / "gone", file / "inside"):
        assert not is_there(path, "consent", ConsentError)


def test_one_process_changes_a_file_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "list.json"
    for _ in range(2):  # it is free again afterwards
        with changing(path):
            handle = os.open(path.with_suffix(".lock"), os.O_RDWR)
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(handle)
    assert [entry.name for entry in path.parent.iterdir()] == ["list.lock"]


def test_where_there_are_no_locks_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_lock)
    with pytest.raises(OutputError, match=r"cannot write .*list\.json: no locks"):
        changing(tmp_path / "list.json").__enter__()
    (tmp_path / "list.lock").unlink()
    (tmp_path / "list.lock").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*list\.json"):
        changing(tmp_path / "list.json").__enter__()


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    write_private(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="exists"):
        write_private(path, b"new")
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_without_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_private(tmp_path / "c.json", b"one")
    assert (tmp_path / "c.json").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        write_private(tmp_path / "c.json", b"one")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_private(tmp_path / "no" / "c.json", b"one")


def test_what_is_no_small_file_is_refused(tmp_path: Path) -> None:
    empty, large, pipe = tmp_path / "empty", tmp_path / "large", tmp_path / "pipe"
    empty.touch()
    with large.open("wb") as file:
        file.truncate(storage.MAX_RECORD + 1)
    os.mkfifo(pipe)
    cases = [
        (tmp_path / "none", "no consent at"),
        (empty, "empty"),
        (large, "larger than 4 MiB"),
        (pipe, "not a file"),
        (tmp_path, "not a file"),
        (Path("a\0b"), "cannot read"),
    ]
    for path, message in cases:
        with pytest.raises(ConsentError, match=message):
            read_record(path, "consent", ConsentError)
