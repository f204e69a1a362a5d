from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cli import main
from edge.consent.canonical import utc_now
from edge.consent.chain import file_sha256
from edge.consent.ledger import Ledger
from edge.jobs.file import swap_file
from edge.provenance import stamping, timing
from edge.provenance.anchors import time_dir
from edge.provenance.recording import recordings_of
from edge.provenance.verify import verify_file
from edge.stamping import STAMPED, queue
from tests import authority as testing
from tests.live import record
from tests.scene import Stage, stage

pytestmark = pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> testing.Authority:
    return testing.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority(made: testing.Authority) -> Iterator[testing.Authority]:
    made.refuses = made.garbles = False
    made.asked = 0
    with testing.running(made):
        time_dir().mkdir(parents=True, exist_ok=True)
        shutil.copy(made.root, time_dir() / "test.pem")
        configure(made.url)
        yield made


def configure(url: str) -> None:
    stamping.authority_path().parent.mkdir(parents=True, exist_ok=True)
    stamping.authority_path().write_text(f'url = "{url}"\ntimeout_seconds = 5\n')


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def test_without_an_authority_nothing_is_asked(ready: Stage) -> None:
    done = swap_file(ready.swapper(), ready.picture(), ready.folder / "out.jpg")
    assert done.notes == ()
    (entry,) = ready.swapper().ledger.entries()[-1:]
    assert "time_stamp" not in entry.fields


def test_an_output_is_stamped_when_it_is_signed(ready: Stage, authority: testing.Authority) -> None:
    swapper = ready.swapper()
    done = swap_file(swapper, ready.picture(), ready.folder / "out.jpg")
    assert done.notes == ()
    assert authority.asked == 1
    verdict = verify_file(ready.folder / "out.jpg")
    assert verdict.exit_status == 0
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert not any("later" in note for note in verdict.notes)
    (entry,) = swapper.ledger.entries()[-1:]
    stamp = entry.fields["time_stamp"]
    assert isinstance(stamp, dict)
    assert (stamp["state"], stamp["authority"]) == ("stamped", "Test Time")
    assert entry.fields["output_sha256"] == done.sha256


@pytest.mark.parametrize("how", ["refuses", "garbles", "gone"])
def test_without_a_network_outputs_are_made_and_queued(
    ready: Stage, authority: testing.Authority, how: str
) -> None:
    if how == "gone":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            configure(f"http://127.0.0.1:{free.getsockname()[1]}/")
    else:
        setattr(authority, how, True)
    swapper = ready.swapper()
    for number in range(2):
        done = swap_file(swapper, ready.picture(), ready.folder / f"out-{number}.png")
        assert "edge ledger stamp" in done.notes[0]
        assert verify_file(ready.folder / f"out-{number}.png").exit_status == 0
    assert authority.asked <= 1  # the second did not wait for it again
    states = [entry.fields["time_stamp"] for entry in swapper.ledger.entries()[-2:]]
    assert [state["state"] for state in states if isinstance(state, dict)] == ["queued"] * 2


# Later -----------------------------------------------------------------------------------------


@pytest.fixture
def offline(ready: Stage, authority: testing.Authority) -> tuple[Stage, list[Path]]:
    """Three outputs that were made without a network, which is back."""
    authority.refuses = True
    paths = [ready.folder / name for name in ("a.jpg", "b.png", "c.webp")]
    for path in paths:
        swap_file(ready.swapper(), ready.picture(), path)
    authority.refuses = False
    return ready, paths


def _pixels(path: Path) -> NDArray[np.uint8]:
    frame = cv2.imread(str(path))
    assert frame is not None
    return frame.astype(np.uint8)


def test_what_is_queued_is_stamped_later(
    offline: tuple[Stage, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, paths = offline
    before = {path: (file_sha256(path), _pixels(path)) for path in paths}
    paths[0].chmod(0o640)
    assert main(["ledger", "stamp"]) == 0
    assert capsys.readouterr().out.count("stamped 20") == 4  # and the ledger
    ledger = Ledger()
    for path in paths:
        verdict = verify_file(path)
        assert verdict.exit_status == 0
        assert verdict.claims is not None
        assert verdict.claims.time.time_stamped
        assert np.array_equal(_pixels(path), before[path][1])
        entry = ledger.find(str(file_sha256(path)))
        assert entry is not None
        assert entry.hashes == (before[path][0], file_sha256(path))  # the ledger keeps both
        assert ledger.find(str(before[path][0])) == entry
    assert paths[0].stat().st_mode & 0o777 == 0o640
    assert ledger.verify() == []
    assert queue(ledger) == []
    count = len(ledger.lines())
    assert main(["ledger", "stamp"]) == 0
    assert len(ledger.lines()) == count  # nothing happened since
    assert main(["ledger", "prove", str(paths[0])]) == 0
    assert main(["ledger", "check", f"{paths[0]}.proof.json", str(paths[0])]) == 0
    assert "does not count" not in capsys.readouterr().out


def test_verify_says_that_the_stamp_came_later(
    offline: tuple[Stage, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, paths = offline
    monkeypatch.setattr(timing, "_SAME", timedelta(seconds=-1))  # of seconds, not of minutes
    assert main(["ledger", "stamp"]) == 0
    assert any("came later" in note for note in verify_file(paths[0]).notes)


def test_files_that_are_gone_have_their_stamp_in_the_ledger(
    offline: tuple[Stage, list[Path]], authority: testing.Authority
) -> None:
    _, paths = offline
    moved = paths[0].rename(paths[0].with_name("moved.jpg"))
    paths[1].unlink()
    assert main(["ledger", "stamp"]) == 0
    ledger = Ledger()
    assert queue(ledger) == []
    assert verify_file(moved).claims is not None
    asked = authority.asked
    assert main(["ledger", "stamp", str(moved)]) == 0  # the token is there: nobody is asked
    assert authority.asked == asked
    verdict = verify_file(moved)
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert main(["ledger", "stamp", str(moved)]) == 0  # an earlier stamp says more: it stays
    assert file_sha256(moved) == ledger.find(str(file_sha256(moved))).hashes[-1]  # type: ignore[union-attr]
    assert ledger.verify() == []


def test_an_output_from_before_there_was_an_authority(
    ready: Stage, authority: testing.Authority
) -> None:
    stamping.authority_path().unlink()
    path = ready.folder / "out.jpg"
    swap_file(ready.swapper(), ready.picture(), path)
    configure(authority.url)
    assert queue(Ledger()) == []
    assert main(["ledger", "stamp", str(path)]) == 0
    verdict = verify_file(path)
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped


def test_strangers_files_and_a_network_that_is_still_away(
    offline: tuple[Stage, list[Path]], authority: testing.Authority, tmp_path: Path
) -> None:
    _, paths = offline
    authority.refuses = True
    before = [path.read_bytes() for path in paths]
    assert main(["ledger", "stamp"]) == 2
    assert [path.read_bytes() for path in paths] == before
    assert len(queue(Ledger())) == 3
    shutil.copy(paths[0], tmp_path / "copy.jpg")
    with (tmp_path / "copy.jpg").open("ab") as file:
        file.write(b"more")
    assert main(["ledger", "stamp", str(tmp_path / "copy.jpg")]) == 2


@pytest.mark.parametrize("when", ["before the line", "after the line"])
def test_an_interrupted_stamp_leaves_the_output_and_goes_on(
    offline: tuple[Stage, list[Path]], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    _, paths = offline
    before = paths[0].read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "before the line":
            patch.setattr("edge.stamping.stamping.put_token", interrupted)
        else:
            patch.setattr("edge.stamping.os.replace", interrupted)
        assert main(["ledger", "stamp"]) == 130
    assert paths[0].read_bytes() == before
    ledger = Ledger()
    entry = ledger.find(str(file_sha256(paths[0])))
    assert entry is not None
    assert list(paths[0].parent.glob(".*part*")) == []
    assert main(["ledger", "stamp"]) == 0
    verdict = verify_file(paths[0])
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert ledger.find(str(file_sha256(paths[0]))) is not None
    assert ledger.verify() == []


def test_a_stamp_of_the_ledger_is_renewed(
    offline: tuple[Stage, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ledger", "stamp"]) == 0
    count = len(Ledger().lines())
    monkeypatch.setattr("edge.stamping.now", lambda: utc_now() + timedelta(days=299))
    assert main(["ledger", "stamp"]) == 0
    assert len(Ledger().lines()) == count
    monkeypatch.setattr("edge.stamping.now", lambda: utc_now() + timedelta(days=301))
    assert main(["ledger", "stamp"]) == 0
    assert len(Ledger().lines()) == count + 2


def _tokens(ledger: Ledger) -> int:
    return sum(line.kind == "stamped" for line in ledger.entries())


def test_a_recording_stays_whole(
    ready: Stage, authority: testing.Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="recordings need PyAV")
    authority.refuses = True
    paths = record(ready, tmp_path / "out")
    authority.refuses = False
    before = [path.read_bytes() for path in paths]
    assert len(paths) >= 2
    assert main(["ledger", "stamp"]) == 0
    assert "in the ledger alone: the recording's next segment" in capsys.readouterr().out
    assert [path.read_bytes() for path in paths] == before
    (recording,) = recordings_of(verify_file(path) for path in paths)
    assert recording.problems == ()
    ledger = Ledger()
    assert queue(ledger) == []
    assert _tokens(ledger) == len(paths)
    asked = authority.asked
    assert main(["ledger", "stamp", str(paths[0])]) == 0  # the token is there, and is kept once
    assert (authority.asked, _tokens(ledger)) == (asked, len(paths))
    assert paths[0].read_bytes() == before[0]
    assert ledger.verify() == []


def test_a_recording_stays_whole_where_an_older_version_was_interrupted(
    ready: Stage, authority: testing.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="recordings need PyAV")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    authority.refuses = True
    path = record(ready, tmp_path / "out")[0]
    authority.refuses = False
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("edge.stamping._is_segment", lambda entry: False)
        patch.setattr("edge.stamping.os.replace", interrupted)
        assert main(["ledger", "stamp", str(path)]) == 130
    assert main(["ledger", "stamp"]) == 0
    assert path.read_bytes() == before


def _locks(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let no file be made in a folder."""
    real = os.open

    def locked(path: Any, *more: Any, **named: Any) -> int:
        if Path(os.fsdecode(path)).parent == folder and ".part" in os.fsdecode(path):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, *more, **named)

    patch.setattr("edge.publish.os.open", locked)


def test_a_folder_that_cannot_be_written_keeps_nobody_waiting(
    offline: tuple[Stage, list[Path]],
    authority: testing.Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, paths = offline
    before = [path.read_bytes() for path in paths]
    with monkeypatch.context() as patch:
        _locks(patch, paths[0].parent)
        assert main(["ledger", "stamp"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("in the ledger alone: cannot be written: the disk is read-only") == 3
    assert [path.read_bytes() for path in paths] == before
    ledger = Ledger()
    assert queue(ledger) == []
    asked = authority.asked
    assert main(["ledger", "stamp", str(paths[0])]) == 0  # it can be written again
    assert authority.asked == asked
    verdict = verify_file(paths[0])
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert ledger.verify() == []


def test_an_interrupted_stamp_that_cannot_be_finished_keeps_nobody_waiting(
    offline: tuple[Stage, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, paths = offline

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge.stamping.os.replace", interrupted)
        assert main(["ledger", "stamp"]) == 130
    with monkeypatch.context() as patch:
        _locks(patch, paths[0].parent)
        assert main(["ledger", "stamp"]) == 0
    assert queue(Ledger()) == []
    assert main(["ledger", "stamp"]) == 0  # the folder is there again
    verdict = verify_file(paths[0])
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped


def test_an_odd_line_of_a_ledger_stamps_nothing(offline: tuple[Stage, list[Path]]) -> None:
    waiting = queue(Ledger())
    Ledger().append(STAMPED, lambda: {"entry": []})
    assert queue(Ledger()) == waiting


def test_a_damaged_ledger_is_one_line(
    offline: tuple[Stage, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "stamp"]) == 0
    with Ledger().path.open("ab") as file:
        file.write(b"no line of ours\n")
    capsys.readouterr()
    assert main(["ledger", "stamp"]) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "is damaged" in error) == (1, True)
