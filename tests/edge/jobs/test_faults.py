"""Full disks, clocks that jump, inputs that vanish, odd shares: one line, nothing half-written."""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.consent import canonical, permit
from edge.errors import ConsentError, EdgeError, MediaError
from edge.jobs import video
from edge.jobs.file import swap_file
from edge.jobs.folder import swap_folder
from edge.jobs.unfinished import remove_outlived
from edge.provenance.verify import verify_file
from tests.edge.jobs.test_video import write_video
from tests.faults import disk_of
from tests.scene import ARGUMENTS, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def source_of(ready: Stage, kind: str) -> tuple[Path, Path]:
    if kind == "picture":
        return ready.picture(), ready.folder / "out.png"
    pytest.importorskip("av", reason="videos need PyAV")
    return write_video(ready.folder / "in.mp4", [((8, 8),)] * 12), ready.folder / "out.mp4"


@pytest.mark.parametrize("kind", ["picture", "video"])
@pytest.mark.parametrize("size", [0, 3_000, 9_000, 15_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(ready: Stage, kind: str, size: int) -> None:
    source, output = source_of(ready, kind)
    swapper = ready.swapper()
    before = set(ready.folder.iterdir())
    with disk_of(size), pytest.raises(EdgeError) as caught:
        swap_file(swapper, source, output)
    assert "\n" not in str(caught.value)
    assert set(ready.folder.iterdir()) == before
    swapper.ledger.recover()
    assert swapper.ledger.verify() == []
    swap_file(swapper, source, output)  # and then there is room again
    assert verify_file(output).exit_status == 0


def test_a_disk_that_fills_up_in_a_video_loses_no_segment(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = source_of(ready, "video")
    monkeypatch.setattr(video, "SEGMENT", 4)
    with disk_of(6_000), pytest.raises(EdgeError):
        swap_file(ready.swapper(), source, output, resume=True)
    done = swap_file(ready.swapper(), source, output, resume=True)
    assert verify_file(output).exit_status == 0
    assert done.record is not None
    assert done.record.frames == 12


def test_a_folder_goes_on_after_what_did_not_fit(ready: Stage) -> None:
    inputs = ready.folder / "in"
    inputs.mkdir()
    for name in ("a.png", "b.png"):
        write(inputs / name, target())
    with disk_of(9_000):
        summary = swap_folder(ready.swapper(), inputs, ready.folder / "out")
    assert len(summary.failed) == 2
    summary = swap_folder(ready.swapper(), inputs, ready.folder / "out", resume=True)
    assert (len(summary.done), summary.failed) == (2, ())


def test_a_read_only_disk(ready: Stage) -> None:
    """A mount of its own, where this process may make one; root ignores the rights of a folder."""
    source, output = source_of(ready, "picture")
    place = ready.folder / "disk"
    place.mkdir()
    mount = f"mount -t tmpfs -o ro none {place}"
    code = (
        "import sys; from edge.cli import main; sys.exit(main(["
        f"'swap', '--identity', {str(ready.identity_file)!r}, '--input', {str(source)!r}, "
        f"'--output', {str(place / output.name)!r}, '--purpose', 'film', "
        f"'--target-is', 'synthetic', *{list(ARGUMENTS)!r}]))"
    )
    words = ["unshare", "-m", "sh", "-c", f'{mount} || exit 77; exec "$0" -c "$1"']
    try:
        done = subprocess.run(
            [*words, sys.executable, code], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this process may not mount a disk of its own")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "may not be written to" in done.stderr or "read-only" in done.stderr


@pytest.mark.parametrize("hours", [-48, 24 * 800])
def test_a_clock_that_jumps_while_a_video_runs_ends_the_leave(
    ready: Stage, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back before the consent was given, or on beyond its end: asked again at the end, refused."""
    source, output = source_of(ready, "video")
    swapper = ready.swapper()
    real, now = swapper._swap_into, canonical.utc_now

    def jump(*given: Any) -> Any:
        moved = now() + datetime.timedelta(hours=hours)
        monkeypatch.setattr(permit, "utc_now", lambda: moved)
        return real(*given)

    monkeypatch.setattr(swapper, "_swap_into", jump)
    with pytest.raises(ConsentError):
        swap_file(swapper, source, output, resume=True)
    assert not output.exists()
    assert not list(ready.folder.glob(".*"))


@pytest.mark.parametrize("days", [-400, 3])
def test_a_clock_that_jumps_removes_nobodys_work(
    ready: Stage, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = source_of(ready, "video")
    monkeypatch.setattr(video, "SEGMENT", 4)
    with disk_of(6_000), pytest.raises(EdgeError):
        swap_file(ready.swapper(), source, output, resume=True)
    (kept,) = ready.folder.glob(".*.unfinished")
    made = (kept / "journal.json").stat().st_mtime
    remove_outlived(ready.folder, made + days * 86_400)
    assert kept.is_dir()


@pytest.mark.parametrize("change", ["removed", "replaced", "longer"])
def test_an_input_that_changes_meanwhile_is_noticed(
    ready: Stage, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = source_of(ready, "video")
    swapper = ready.swapper()
    real = swapper._swap_into

    def meanwhile(*given: Any) -> Any:
        if source.exists() and not (ready.folder / "moved").exists():
            (ready.folder / "moved").touch()
            if change == "removed":
                source.unlink()
            elif change == "longer":
                with source.open("ab") as file:
                    file.write(b"\0" * 64)
            else:
                other = write_video(ready.folder / "other.mp4", [((9, 9),)] * 12)
                os.replace(other, source)
        return real(*given)

    monkeypatch.setattr(swapper, "_swap_into", meanwhile)
    with pytest.raises(MediaError, match="changed or removed while it was swapped"):
        swap_file(swapper, source, output)
    assert not output.exists()
    assert not list(ready.folder.glob(".*"))


def test_a_share_without_locks_links_and_folder_syncs(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As network shares answer; only the output lies there, the ledger on the device's own disk."""
    source, output = source_of(ready, "video")
    flock, fsync = fcntl.flock, os.fsync

    def no_lock(handle: int, how: int) -> None:
        if ".unfinished" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOLCK, "no locks available")
        flock(handle, how)

    def no_link(*names: Any, **more: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    def no_folders(handle: int) -> None:
        place = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if place.is_dir() and place.is_relative_to(ready.folder):
            raise OSError(errno.EINVAL, "invalid argument")
        fsync(handle)

    monkeypatch.setattr(fcntl, "flock", no_lock)
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(os, "fsync", no_folders)
    swap_file(ready.swapper(), source, output, resume=True)
    assert verify_file(output).exit_status == 0
    assert not list(ready.folder.glob(".*"))


@pytest.mark.parametrize("megabytes", [700])
def test_too_little_memory_is_one_line(ready: Stage, megabytes: int) -> None:
    """A picture of 36 megapixels in an address space that has no room for it."""
    source = ready.folder / "large.png"
    write(source, np.zeros((6000, 6000, 3), np.uint8))
    code = (
        "import resource, sys; import cv2, numpy, onnxruntime, c2pa\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        f"most = now + {megabytes} * 1000**2\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "from edge.cli import main\n"
        f"sys.exit(main(['swap', '--identity', {str(ready.identity_file)!r}, '--input', "
        f"{str(source)!r}, '--output', {str(ready.folder / 'out.png')!r}, '--purpose', 'film', "
        f"'--target-is', 'synthetic', *{list(ARGUMENTS)!r}]))"
    )
    before = set(ready.folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert done.stderr.count("\n") == 1, done.stderr[-3000:]
    assert set(ready.folder.iterdir()) == before
