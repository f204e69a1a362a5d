"""Videos that were interrupted: gone on with, the same in the end, or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import BackendError, ConsentError, OutputError, UsageError
from edge.jobs import unfinished, video
from edge.jobs.file import swap_file
from edge.jobs.folder import swap_folder
from edge.jobs.results import Done
from edge.jobs.unfinished import Unfinished, remove_outlived
from edge.provenance.verify import verify_file
from edge.swap import Swapper
from tests.edge.jobs.test_video import write_video
from tests.scene import ARGUMENTS, Stage, stage, target, write

av = pytest.importorskip("av", reason="videos need PyAV")

FRAMES, EACH = 22, 5


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(video, "SEGMENT", EACH)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=77))  # the watermark depends on it
    return stage(edge_home, tmp_path / "work")


@pytest.fixture
def source(ready: Stage) -> Path:
    cells = [((8 + number // 3, 8 + number % 2),) for number in range(FRAMES)]
    return write_video(ready.folder / "in.mp4", cells)


class Pulled(BaseException):
    """Ends the work as the plug would: nothing expects it."""


def breaks(
    swapper: Swapper, monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException
) -> None:
    """Let the engine fail behind so many frames."""
    real, seen = swapper._swap_into, iter(range(10_000))

    def failing(*given: object) -> object:
        if next(seen) >= after:
            raise error
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(swapper, "_swap_into", failing)


def hashes(path: Path) -> list[tuple[int | None, bool, str]]:
    """Return each frame's time stamp, whether it stands alone, and the hash of its pixels."""
    with av.open(str(path)) as container:
        return [
            (frame.pts, frame.key_frame, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in container.decode(video=0)
        ]


def packets(path: Path, kind: str) -> list[tuple[int | None, int | None, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(stream) if p.size]


def kept_in(folder: Path) -> list[Path]:
    return list(folder.glob(".*.unfinished"))


def resumed(ready: Stage, source: Path, name: str = "out.mp4") -> Done:
    return swap_file(ready.swapper(), source, ready.folder / name, resume=True)


@pytest.mark.parametrize("after", [3, EACH + 2, 3 * EACH, FRAMES - 1])
def test_what_comes_out_is_that_of_an_uninterrupted_run(
    ready: Stage, source: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = ready.folder / "whole.mp4"
    swap_file(ready.swapper(), source, whole)
    swapper = ready.swapper()
    with monkeypatch.context() as patch:
        breaks(swapper, patch, after, BackendError("the engine broke"))
        with pytest.raises(BackendError):
            swap_file(swapper, source, ready.folder / "out.mp4", resume=True)
    done = resumed(ready, source)
    finished = after // EACH * EACH
    assert any(f"behind {finished} frames" in note for note in done.notes) == (finished > 0)
    assert hashes(ready.folder / "out.mp4") == hashes(whole)
    for kind in ("video", "audio"):
        assert packets(ready.folder / "out.mp4", kind) == packets(whole, kind)
    assert done.record is not None
    assert (done.record.frames, done.record.faces) == (FRAMES, 1)
    assert verify_file(ready.folder / "out.mp4").exit_status == 0
    assert kept_in(ready.folder) == []


@pytest.mark.parametrize("after", [EACH + 2, 3 * EACH + 1])
def test_time_goes_on_where_two_files_are_joined(
    ready: Stage, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """And alike when it is gone on with before the joint, or behind it."""
    part = write_video(ready.folder / "part.ts", [((8, 8),)] * 12)
    source = ready.folder / "joined.ts"
    source.write_bytes(part.read_bytes() * 2)
    whole = ready.folder / "whole.mp4"
    swap_file(ready.swapper(), source, whole)
    with av.open(str(whole)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(np.diff(times), [0.1] * 23, atol=1e-3)
    swapper = ready.swapper()
    with monkeypatch.context() as patch:
        breaks(swapper, patch, after, BackendError("the engine broke"))
        with pytest.raises(BackendError):
            swap_file(swapper, source, ready.folder / "out.mp4", resume=True)
    resumed(ready, source)
    for kind in ("video", "audio"):
        assert packets(ready.folder / "out.mp4", kind) == packets(whole, kind)


def test_joined_segments_are_what_one_clock_says(ready: Stage, source: Path) -> None:
    resumed(ready, source)
    with av.open(str(source)) as before:
        wanted = [frame.time for frame in before.decode(video=0)]
    with av.open(str(ready.folder / "out.mp4")) as after:
        got = [(frame.time, frame.key_frame) for frame in after.decode(video=0)]
    assert [when for when, _ in got] == wanted
    keys = [number for number, (_, key) in enumerate(got) if key]
    assert keys[:5] == list(range(0, FRAMES, EACH))


def interrupted(ready: Stage, source: Path, error: BaseException, *, resume: bool = True) -> None:
    swapper = ready.swapper()
    with pytest.MonkeyPatch.context() as patch:
        breaks(swapper, patch, 2 * EACH + 1, error)
        with pytest.raises(type(error)):
            swap_file(swapper, source, ready.folder / "out.mp4", resume=resume)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (BackendError("broken"), True),
        (OutputError("the disk is full"), True),
        (KeyboardInterrupt(), True),
        (MemoryError(), True),
        (ConsentError("revoked"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stays_depends_on_why_it_ended(
    ready: Stage, source: Path, error: BaseException, stays: bool
) -> None:
    interrupted(ready, source, error)
    assert bool(kept_in(ready.folder)) == stays
    for folder in kept_in(ready.folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        for file in folder.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file
    interrupted(ready, source, error, resume=False)
    assert kept_in(ready.folder) == []  # without --resume nothing ever stays


Spoil = Callable[[Path, Stage], dict[str, object]]


def _other_input(folder: Path, ready: Stage) -> dict[str, object]:
    write_video(ready.folder / "in.mp4", [((9, 9),)] * FRAMES)
    return {}


def _other_segment(folder: Path, ready: Stage) -> dict[str, object]:
    data = bytearray((folder / "000000.part").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "000000.part").write_bytes(data)
    return {}


def _lost_segment(folder: Path, ready: Stage) -> dict[str, object]:
    (folder / "000001.part").unlink()
    return {}


def _linked_segment(folder: Path, ready: Stage) -> dict[str, object]:
    moved = ready.folder / "elsewhere"
    (folder / "000001.part").rename(moved)
    (folder / "000001.part").symlink_to(moved)
    return {}


def _other_journal(folder: Path, ready: Stage) -> dict[str, object]:
    text = (folder / "journal.json").read_bytes()
    (folder / "journal.json").write_bytes(text.replace(b'"faces":1', b'"faces":2'))
    return {}


def _no_journal(folder: Path, ready: Stage) -> dict[str, object]:
    (folder / "journal.json").write_bytes(b"{")
    return {}


def _another_device(folder: Path, ready: Stage) -> dict[str, object]:
    from edge.consent.operator import operator_key_path

    operator_key_path().unlink()  # a new one is made
    return {}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_other_input, "its input was another"),
        (_other_segment, "part 1 was changed"),
        (_lost_segment, "part 2 was changed or is missing"),
        (_linked_segment, "part 2 was changed or is missing"),
        (_other_journal, "journal is damaged"),
        (_no_journal, "journal is damaged"),
        (_another_device, "journal is damaged"),
    ],
)
def test_nothing_else_is_gone_on_with(ready: Stage, source: Path, spoil: Spoil, why: str) -> None:
    interrupted(ready, source, BackendError("broken"))
    (folder,) = kept_in(ready.folder)
    spoil(folder, ready)
    with pytest.raises(UsageError, match=why):
        resumed(ready, source)
    assert kept_in(ready.folder) == [folder]  # hours of work: not removed for a slip
    assert not (ready.folder / "out.mp4").exists()
    swap_file(ready.swapper(), source, ready.folder / "out.mp4")
    assert kept_in(ready.folder) == []


def test_other_settings_are_another_video(ready: Stage, source: Path) -> None:
    interrupted(ready, source, BackendError("broken"))
    swapper = Swapper(
        ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=ready.swapper()._engines,
        label_style="eu-icon",
    )
    with pytest.raises(UsageError, match="its label was another"):
        swap_file(swapper, source, ready.folder / "out.mp4", resume=True)


def test_a_consent_that_ended_meanwhile_ends_it(
    ready: Stage, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(ready, source, BackendError("broken"))
    swapper = ready.swapper()

    def refuse(medium: str) -> object:
        raise ConsentError("refused: revoked")

    monkeypatch.setattr(swapper, "permit_for", refuse)
    with pytest.raises(ConsentError):
        swap_file(swapper, source, ready.folder / "out.mp4", resume=True)
    assert not (ready.folder / "out.mp4").exists()


def test_two_processes_cannot_make_one_output(ready: Stage, source: Path) -> None:
    output = ready.folder / "out.mp4"
    with Unfinished(output, keep=True):
        for resume in (False, True):
            with pytest.raises(OutputError, match="another process"):
                swap_file(ready.swapper(), source, output, resume=resume)


def test_what_was_outlived_is_removed(ready: Stage, source: Path) -> None:
    interrupted(ready, source, BackendError("broken"))
    remove_outlived(ready.folder)
    assert kept_in(ready.folder) != []
    remove_outlived(ready.folder, time.time() + unfinished.KEPT_DAYS * 86400 + 60)
    assert kept_in(ready.folder) == []


def test_what_is_published_needs_no_segments(ready: Stage, source: Path) -> None:
    output = ready.folder / "out.mp4"
    with pytest.MonkeyPatch.context() as patch:  # killed between the name and the tidying up
        patch.setattr(unfinished, "_remove", lambda folder: None)
        swap_file(ready.swapper(), source, output, resume=True)
    (folder,) = kept_in(ready.folder)
    os.utime(folder / "journal.json", (1, time.time() - 5))
    remove_outlived(ready.folder)
    assert kept_in(ready.folder) == []
    assert verify_file(output).exit_status == 0


def test_killed_and_gone_on_with_by_the_command(
    edge_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ready = stage(edge_home, tmp_path / "work")
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 300, rate=25)
    command = [sys.executable, "-m", "edge", "swap", "--identity", str(ready.identity_file)]
    command += ["--input", str(source), "--output", str(ready.folder / "out.mp4"), "--resume"]
    command += ["--purpose", "film", "--target-is", "synthetic", *ARGUMENTS]
    with subprocess.Popen(command) as process:
        limit = time.monotonic() + 60
        while time.monotonic() < limit and process.poll() is None:
            if any(ready.folder.glob(".*.unfinished/000001.part")):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL
    assert not (ready.folder / "out.mp4").exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "note: gone on behind 250 frames that were finished before" in done.stdout
    assert kept_in(ready.folder) == []
    assert verify_file(ready.folder / "out.mp4").exit_status == 0
    with av.open(str(ready.folder / "out.mp4")) as container:
        assert container.streams.video[0].frames == 300


def test_folders_go_on_with_what_the_ledger_does_not_have(ready: Stage, source: Path) -> None:
    inputs, outputs = ready.folder / "in", ready.folder / "out"
    inputs.mkdir()
    source.rename(inputs / "a.mp4")
    for name in ("b.png", "c.png", "d.png"):
        write(inputs / name, target())
    swap_folder(ready.swapper(), inputs, outputs)
    write(inputs / "c.png", target(cells=((20, 20),)))  # another picture under its name
    (outputs / "d.png").write_bytes(b"not what the ledger says")
    (outputs / "b.png").unlink()
    before = (outputs / "a.mp4").read_bytes()
    summary = swap_folder(ready.swapper(), inputs, outputs, resume=True)
    assert summary.kept == (outputs / "a.mp4",)
    assert [one.output for one in summary.done] == [outputs / "b.png"]
    assert [path.name for path, why in summary.failed] == ["c.png", "d.png"]
    assert all("exists already" in why for _, why in summary.failed)
    assert (outputs / "a.mp4").read_bytes() == before
    assert "1 written, 1 made before, 0 without a face, 2 failed" in summary.describe()
    swap_folder(ready.swapper(), inputs, outputs, resume=True, overwrite=True)
    summary = swap_folder(ready.swapper(), inputs, outputs, resume=True)
    assert (len(summary.kept), summary.done, summary.failed) == (4, (), ())
    other = stage(Path(os.environ["EDGE_HOME"]), ready.folder / "other")
    summary = swap_folder(other.swapper(), inputs, outputs, resume=True)
    assert summary.kept == ()  # by another's leave
