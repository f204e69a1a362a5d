from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import publish
from edge.errors import OutputError, UsageError
from edge.publish import (
    OLD,
    Publication,
    check_destination,
    host_tag,
    publish_file,
    remove_stale,
    remove_stale_folders,
    temporary_folder,
    writing_failed,
)


def _sign(plain: Path, signed: Path) -> None:
    signed.write_bytes(b"signed " + plain.read_bytes())


def _enter(digest: str) -> None:
    assert len(digest) == 64


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    return path


# ---- the destination


def test_free_name_is_fine(source: Path, tmp_path: Path) -> None:
    check_destination(source, tmp_path / "out.png", overwrite=False)
    check_destination(None, tmp_path / "out.mp4", overwrite=False)


def test_input_is_never_output(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard, soft = tmp_path / "hard.jpg", tmp_path / "soft.jpg"
    os.link(source, hard)
    soft.symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for name in (source, hard, soft, Path("in.jpg"), tmp_path / ".." / tmp_path.name / "in.jpg"):
        with pytest.raises(UsageError, match="is the input itself"):
            check_destination(source, name, overwrite=True)
        with pytest.raises(UsageError, match="is the input itself"):
            check_destination(name, source, overwrite=True)


def test_existing_files_need_overwrite(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already.*--overwrite"):
        check_destination(source, out, overwrite=False)
    check_destination(source, out, overwrite=True)
    dangling = tmp_path / "dangling.jpg"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        check_destination(source, dangling, overwrite=False)


def test_what_is_no_file_is_never_replaced(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.jpg"
    folder.mkdir()
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    for name in (folder, pipe):
        with pytest.raises(OutputError, match="no plain file"):
            check_destination(source, name, overwrite=True)


def test_missing_folder(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        check_destination(source, tmp_path / "none" / "out.jpg", overwrite=False)
    with pytest.raises(OutputError, match="there is no folder"):
        check_destination(source, source / "out.jpg", overwrite=False)


def test_suffix_must_be_known_and_fit(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        check_destination(source, tmp_path / "out.gif", overwrite=False)
    with pytest.raises(UsageError, match="is a picture"):
        check_destination(source, tmp_path / "out.mp4", overwrite=False)
    with pytest.raises(UsageError, match="is a video"):
        check_destination(tmp_path / "in.mp4", tmp_path / "out.jpg", overwrite=False)


def test_read_only_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.geteuid() == 0:  # root may write anywhere but on a read-only disk
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="may not be written to"):
        check_destination(source, folder / "out.jpg", overwrite=False)


# ---- publishing


def test_output_appears_when_complete(tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    seen: list[str] = []

    def sign(plain: Path, signed: Path) -> None:
        for path in (plain, signed):
            assert path.parent == tmp_path
            assert path.name.startswith(".out.jpg.")
            assert path.suffix == ".jpg"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not out.exists()
        _sign(plain, signed)

    def enter(digest: str) -> None:
        assert not out.exists()
        assert len(_names(tmp_path)) == 1  # the unsigned file is gone already
        seen.append(digest)

    old = os.umask(0o027)
    try:
        digest = publish_file(b"pixels", out, sign=sign, enter=enter)
    finally:
        os.umask(old)
    assert out.read_bytes() == b"signed pixels"
    assert seen == [digest] == [hashlib.sha256(b"signed pixels").hexdigest()]
    assert _names(tmp_path) == ["out.jpg"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_overwriting_keeps_the_mode(tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(b"old")
    out.chmod(0o604)
    publish_file(b"new", out, sign=_sign, enter=_enter, overwrite=True)
    assert out.read_bytes() == b"signed new"
    assert stat.S_IMODE(out.stat().st_mode) == 0o604


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_came_meanwhile_is_kept(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jpg"
    if not links:
        _forbid_links(monkeypatch)

    def enter(digest: str) -> None:
        out.write_bytes(b"someone else's")

    with pytest.raises(OutputError, match="exists already"):
        publish_file(b"pixels", out, sign=_sign, enter=enter)
    assert out.read_bytes() == b"someone else's"
    assert _names(tmp_path) == ["out.jpg"]


def _forbid_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def test_disks_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forbid_links(monkeypatch)
    publish_file(b"pixels", tmp_path / "out.jpg", sign=_sign, enter=_enter)
    assert _names(tmp_path) == ["out.jpg"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["sign", "enter"])
def test_nothing_stays_after_an_error(
    tmp_path: Path, error: type[BaseException], where: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    steps = {"sign": _sign, "enter": _enter} | {where: fail}
    with pytest.raises(error):
        publish_file(b"x", tmp_path / "out.jpg", sign=steps["sign"], enter=steps["enter"])  # type: ignore[arg-type]
    assert _names(tmp_path) == []


def test_old_file_stays_after_an_error(tmp_path: Path) -> None:
    def fail(_: str) -> None:
        raise RuntimeError

    out = tmp_path / "out.jpg"
    out.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        publish_file(b"new", out, sign=_sign, enter=fail, overwrite=True)
    assert out.read_bytes() == b"old"
    assert _names(tmp_path) == ["out.jpg"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")])
def test_name_is_withdrawn_when_the_last_step_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, overwrite: bool
) -> None:
    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr(publish, "_sync_folder", fail)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        publish_file(b"x", tmp_path / "out.jpg", sign=_sign, enter=_enter, overwrite=overwrite)
    assert _names(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_may_be_written_to_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    """Neither the output nor, with --overwrite, the only copy there is may be lost."""
    real = os.open

    def refused(path: str | Path, flags: int, *rest: int) -> int:
        if path == tmp_path and flags == os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *rest)

    out = tmp_path / "out.jpg"
    if overwrite:
        out.write_bytes(b"old")
    monkeypatch.setattr(os, "open", refused)
    publish_file(b"new", out, sign=_sign, enter=_enter, overwrite=overwrite)
    assert out.read_bytes() == b"signed new"
    assert _names(tmp_path) == ["out.jpg"]


def test_folder_that_vanished_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"out\.jpg: cannot be written: the folder is not there"):
        publish_file(b"x", tmp_path / "gone" / "out.jpg", sign=_sign, enter=_enter)


def test_long_and_foreign_names(tmp_path: Path) -> None:
    for name in ("合" * 80 + ".jpg", "a" * 250 + ".png", "noend"):
        publish_file(b"x", tmp_path / name, sign=_sign, enter=_enter)
        assert (tmp_path / name).exists()
    assert len(_names(tmp_path)) == 3


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow over 1,000 bytes, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("size", [999, 5000])  # fails while signing, fails while writing
def test_full_disk(tmp_path: Path, size: int) -> None:
    out = tmp_path / "out.jpg"
    with pytest.raises(OutputError, match=r"out\.jpg: cannot be written: it is larger"):
        publish_file(bytes(size), out, sign=_sign, enter=_enter)
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "larger"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not be written"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_reasons(tmp_path: Path, code: int, message: str) -> None:
    with Publication(tmp_path / "out.a.jpg") as publication:
        temporary = publication.temporary()
    said = str(writing_failed(temporary, OSError(code, os.strerror(code))))
    assert message in said
    assert f"{tmp_path / 'out.a.jpg'}: cannot be written" in said
    assert "\n" not in said


# ---- what others left


def test_stale_temporaries_of_dead_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from edge.publish import Publication; "
        "p = Publication(Path(sys.argv[1])); p.temporary(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out.jpg")], check=False)
    (left,) = _names(tmp_path)
    assert left.startswith(".out.jpg.")
    mine = Publication(tmp_path / "out.jpg").temporary()
    others = tmp_path / ".out.jpg.00000000-1-00000000.part.jpg"  # of another machine
    others.touch()
    (tmp_path / ".hidden.jpg").touch()
    assert remove_stale(tmp_path) == (tmp_path / left,)
    assert _names(tmp_path) == sorted([mine.name, others.name, ".hidden.jpg"])
    assert remove_stale(tmp_path / "none") == ()
    monkeypatch.setattr(publish, "_alive", lambda pid: False)
    assert remove_stale(tmp_path) == (mine,)


def _dead() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:
    mine = temporary_folder(tmp_path, "out")
    assert mine.stat().st_mode & 0o777 == 0o700
    (mine / "work").touch()
    host, dead = host_tag(), _dead()
    stale = tmp_path / f".out.{host}-{dead}-0123abcd.part"
    others = tmp_path / f".out.00000000-{dead}-0123abcd.part"  # another machine's, on a share
    for folder in (stale, others):
        folder.mkdir()
        (folder / "work").touch()
    remove_stale_folders(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, others.name])


@pytest.mark.parametrize("taken", [False, True])
def test_what_was_about_to_be_replaced_gets_its_name_back(tmp_path: Path, taken: bool) -> None:
    """Killed between the moment the old one is moved away and the moment the new one is there."""
    stale = tmp_path / f".bundle.{host_tag()}-{_dead()}-0123abcd.part"
    (stale / OLD / "bundle").mkdir(parents=True)
    (stale / OLD / "bundle" / "seal").write_text("old")
    if taken:
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle" / "seal").write_text("new")
    remove_stale_folders(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (tmp_path / "bundle" / "seal").read_text() == ("new" if taken else "old")
