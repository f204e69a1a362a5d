from __future__ import annotations

import base64
import datetime
import json
import multiprocessing
import os
import resource
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.consent import ledger_file
from edge.consent.canonical import canonical_bytes, sha256_hex
from edge.consent.ledger import Ledger, default_ledger_path
from edge.errors import (
    ConsentError,
    LedgerError,
)
from edge.records import LabelPlace, ModelUse, Permit, Region, SwapRecord

NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
CONTENT = b"the finished output"
DIGEST = sha256_hex(CONTENT)
FORK = multiprocessing.get_context("fork")

# From 3.12 on Python warns of forks beside threads; numpy's may be there, and hold no lock of ours.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def _record(number: int = 1) -> SwapRecord:
    permit = Permit("c-1", "synthetic", "film", "picture", "11" * 32, "synthetic", NOW)
    model = ModelUse(
        "ref_swapper", "swapper", "22" * 32, "fp32", "ort", "CPUExecutionProvider", "1", "x"
    )
    place = LabelPlace("AI", "en", "top-left", Region(0, 0, 9, 9), Region(0, 0, 5, 5))
    return SwapRecord(
        f"urn:uuid:{number}", NOW, permit, (model,), place, "33" * 32, 1, 1, "edge-swap 0.1.0"
    )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def _lines(ledger: Ledger) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.path.read_text().splitlines()]


def _publish(ledger: Ledger, path: Path) -> int:
    with ledger.output(_record(), path, DIGEST) as seq:
        path.write_bytes(CONTENT)
    return seq


# Entries ---------------------------------------------------------------------------------------


def test_an_output_is_entered_before_it_has_its_name(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "out.jpg"
    with ledger.output(_record(), path, DIGEST) as seq:
        (line,) = _lines(ledger)
        assert ledger.entries()[0].state == "open"
        path.write_bytes(CONTENT)
    assert seq == 1
    expected = {
        "kind": "output",
        "output_id": "urn:uuid:1",
        "path": str(path),
        "output_sha256": DIGEST,
        "target_sha256": "33" * 32,
        "identity": "11" * 32,
        "consent_id": "c-1",
        "purpose": "film",
        "prev": "00" * 32,
    }
    assert expected.items() <= line.items()
    assert line["models"][0]["name"] == "ref_swapper"
    assert ledger.entries()[0].state == "published"
    assert ledger.verify() == []


def test_an_entry_is_synced_before_begin_returns(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    ledger.begin_output(_record(), tmp_path / "out.jpg", DIGEST)
    assert ledger.path.stat().st_ino in synced
    assert ledger.path.parent.stat().st_ino in synced


def test_it_is_for_its_owner_only(ledger: Ledger) -> None:
    ledger.event("erase", {})
    assert ledger.path == default_ledger_path()
    for path in (ledger.path, ledger.path.with_suffix(".head")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_output_that_fails_is_missing(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ledger.output(_record(), tmp_path / "o.jpg", DIGEST):
        raise KeyboardInterrupt
    (entry,) = ledger.entries()
    assert entry.state == "missing"
    assert "KeyboardInterrupt" in _lines(ledger)[-1]["reason"]


def test_an_output_that_has_its_name_is_not_missing(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "out.jpg"

    def interrupted() -> None:
        path.write_bytes(CONTENT)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ledger.output(_record(), path, DIGEST):
        interrupted()
    assert ledger.entries()[0].state == "published"
    with pytest.raises(OSError, match="later"), ledger.output(_record(), path, "00" * 32):
        raise OSError("later")
    assert ledger.entries()[1].state == "missing"


def test_texts_are_limited_and_always_fit(ledger: Ledger) -> None:
    ledger.event("erase", {"path": os.fsdecode(b"/tmp/\xff"), "why": "x" * 9999, "e": "e\u0301\n"})
    (entry,) = ledger.entries()
    details = entry.fields["details"]
    assert isinstance(details, dict)
    assert details["path"] == "/tmp/\\udcff"
    assert len(details["why"]) == 1000
    assert ledger.verify() == []


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", "cafe\u0301.jpg".encode(), b"a\nb.jpg"])
def test_odd_file_names_are_found_again(ledger: Ledger, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(CONTENT)
    Ledger(ledger.path).begin_output(_record(), path, DIGEST)
    # As after a crash: nobody holds the entry.
    (ledger.path.with_suffix(".inflight") / "1").unlink()
    assert ledger.recover() == []
    assert ledger.entries()[0].state == "published"
    assert ledger.verify() == []


# The chain -------------------------------------------------------------------------------------


def _filled(ledger: Ledger, count: int = 5) -> list[bytes]:
    for number in range(count):
        ledger.event("skipped-no-face", {"input": f"picture {number}"})
    assert ledger.verify() == []
    return ledger.path.read_bytes().splitlines(keepends=True) if count else []


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("edit", "line", "what"),
    [
        (lambda x: [x[0].replace(b"picture 0", b"picture 9"), *x[1:]], 1, "changed"),
        (lambda x: [*x[:4], x[4].replace(b"picture 4", b"picture 9")], 5, "changed"),
        (lambda x: [*x[:2], x[2].replace(b'"kind"', b'"kinD"'), *x[3:]], 3, "cannot be read"),
        (lambda x: [x[0].replace(b":", b": ", 1), *x[1:]], 1, "changed"),
        (lambda x: [*x[:1], b"\n", *x[1:]], 2, "cannot be read"),
        (lambda x: x[1:], 1, "entry 1 was removed"),
        (lambda x: [x[0], *x[3:]], 2, "entry 2 to 3 was removed"),
        (lambda x: [x[1], x[0], *x[2:]], 1, "removed"),
        (lambda x: [*x[:2], x[1], *x[2:]], 3, "moved, repeated or put in"),
        (lambda x: x[:4], 4, "newest lines were removed"),
        (lambda x: [], 0, "newest lines were removed"),
        (lambda x: [*x[:4], x[4][:-1]], 5, "torn off"),
        (lambda x: [*x[:4], x[4][:40]], 5, "torn off"),
    ],
)
def test_every_edit_shows_with_its_line(ledger: Ledger, edit: Edit, line: int, what: str) -> None:
    lines = _filled(ledger)
    ledger.path.write_bytes(b"".join(edit(lines)))
    problems = ledger.verify()
    assert any(problem.line == line and what in problem.what for problem in problems), problems


def test_a_line_that_was_rewritten_with_its_hash_shows_at_the_next(ledger: Ledger) -> None:
    lines = _filled(ledger)
    body = json.loads(lines[1])
    del body["hash"]
    body["details"] = {"input": "another"}
    lines[1] = canonical_bytes({**body, "hash": sha256_hex(canonical_bytes(body))}) + b"\n"
    ledger.path.write_bytes(b"".join(lines))
    (problem,) = ledger.verify()
    assert (problem.line, "does not continue" in problem.what) == (3, True)


def test_removed_lines_stay_visible_after_new_ones(ledger: Ledger) -> None:
    lines = _filled(ledger)
    ledger.path.write_bytes(b"".join(lines[:3]))
    ledger.event("erase", {})
    assert "entry 4 to 5 was removed" in ledger.verify()[0].what
    ledger.path.unlink()
    ledger.event("erase", {})
    assert "entry 1 to 6 was removed" in ledger.verify()[0].what


def test_a_lost_head_is_said(ledger: Ledger) -> None:
    _filled(ledger)
    ledger.path.with_suffix(".head").unlink()
    (problem,) = ledger.verify()
    assert (problem.line, "head file" in problem.what) == (0, True)


def test_a_damaged_last_line_stops_new_entries(ledger: Ledger) -> None:
    lines = _filled(ledger)
    ledger.path.write_bytes(b"".join([*lines[:4], b"noise\n"]))
    with pytest.raises(LedgerError, match=r"last line .* damaged"):
        ledger.event("erase", {})


def test_no_ledger_is_a_whole_one(ledger: Ledger) -> None:
    assert ledger.verify() == []
    assert ledger.entries() == []
    assert ledger.recover() == []
    assert not ledger.path.exists()


# Loss of power ---------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b'{"half":', b"\0" * 700, b"x" * 200_000, b'{"no":"end"}'])
@pytest.mark.parametrize("count", [0, 3])
def test_a_torn_line_is_put_aside(ledger: Ledger, torn: bytes, count: int) -> None:
    _filled(ledger, count)
    ledger.path.parent.mkdir(parents=True, exist_ok=True)
    with ledger.path.open("ab") as file:
        file.write(torn)
    assert any("torn" in problem.what for problem in ledger.verify())
    ledger.recover()
    assert ledger.verify() == []
    assert [line["kind"] for line in _lines(ledger)] == ["event"] * (count + 1)
    details = _lines(ledger)[-1]["details"]
    assert details["sha256"] == sha256_hex(torn)
    assert (ledger.path.parent / details["kept"]).read_bytes() == torn


def test_the_next_entry_heals_too(ledger: Ledger) -> None:
    lines = _filled(ledger)
    ledger.path.write_bytes(b"".join(lines) + b"half")
    ledger.event("erase", {})
    assert [line.get("event") for line in _lines(ledger)][-2:] == ["torn-line", "erase"]
    assert ledger.verify() == []


# Crashes ---------------------------------------------------------------------------------------


def _crash(path: Path, named: bool) -> None:
    ledger = Ledger()
    ledger.begin_output(_record(), path, DIGEST)
    if named:
        path.write_bytes(CONTENT)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("named", "state"), [(True, "published"), (False, "missing")])
def test_recovery_closes_what_a_dead_process_left(
    ledger: Ledger, tmp_path: Path, named: bool, state: str
) -> None:
    process = FORK.Process(target=_crash, args=(tmp_path / "out.jpg", named))
    process.start()
    process.join()
    assert ledger.entries()[0].state == "open"
    assert ledger.recover() == ([] if named else [1])
    assert ledger.recover() == []
    assert ledger.entries()[0].state == state
    assert ledger.verify() == []
    assert list(ledger.path.with_suffix(".inflight").iterdir()) == []


def test_another_file_under_the_name_is_not_the_output(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "out.jpg"
    path.write_bytes(b"an older file")
    process = FORK.Process(target=_crash, args=(path, False))
    process.start()
    process.join()
    assert ledger.recover() == [1]


def test_recovery_leaves_living_processes_alone(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger().output(_record(), tmp_path / "out.jpg", DIGEST):
        assert ledger.recover() == []
        (tmp_path / "out.jpg").write_bytes(CONTENT)
    assert ledger.entries()[0].state == "published"


def test_a_published_file_may_move(ledger: Ledger, tmp_path: Path) -> None:
    _publish(ledger, tmp_path / "out.jpg")
    (tmp_path / "out.jpg").unlink()
    assert ledger.recover() == []
    assert ledger.entries()[0].state == "published"


@pytest.mark.parametrize("mark", [b"", b"{}", b'{"offset":5,"hash":"x"}', None])
def test_a_bad_mark_is_only_slower(ledger: Ledger, tmp_path: Path, mark: bytes | None) -> None:
    _publish(ledger, tmp_path / "a.jpg")
    ledger.recover()
    place = ledger.path.with_suffix(".mark")
    assert place.exists()
    process = FORK.Process(target=_crash, args=(tmp_path / "b.jpg", False))
    process.start()
    process.join()
    place.unlink() if mark is None else place.write_bytes(mark)
    assert len(ledger.recover()) == 1


# Full disks and read-only folders ----------------------------------------------------------------


def _write_with_little_room(path: Path, room: int, errors: Any) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        Ledger(path).event("erase", {"why": "x" * 500})
    except LedgerError as error:
        errors.put(str(error))


def test_a_full_disk_leaves_no_half_line(ledger: Ledger) -> None:
    _filled(ledger, 3)
    before = ledger.path.read_bytes()
    errors = FORK.Queue()
    room = len(before) + 50
    process = FORK.Process(target=_write_with_little_room, args=(ledger.path, room, errors))
    process.start()
    assert "too large" in errors.get(timeout=20)
    process.join()
    assert ledger.path.read_bytes() == before
    assert ledger.verify() == []


def test_an_output_that_cannot_be_entered_is_not_made(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger_file, "_write_all", full)
    with pytest.raises(LedgerError, match="no space left"):
        _publish(ledger, tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()
    assert list(ledger.path.with_suffix(".inflight").iterdir()) == []


# Several writers ---------------------------------------------------------------------------------


def _write_many(number: int) -> None:
    ledger = Ledger()
    for step in range(25):
        ledger.event("skipped-no-face", {"writer": str(number), "step": str(step)})


def test_four_processes_share_one_ledger(ledger: Ledger) -> None:
    processes = [FORK.Process(target=_write_many, args=(n,)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert ledger.verify() == []
    lines = _lines(ledger)
    assert [line["seq"] for line in lines] == list(range(1, 101))
    for number in range(4):
        mine = [line["details"] for line in lines if line["details"]["writer"] == str(number)]
        assert [details["step"] for details in mine] == [str(step) for step in range(25)]


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    threads = [threading.Thread(target=_write_many, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.verify() == []
    assert len(_lines(ledger)) == 100


def test_nothing_that_is_done_names_the_person(tmp_path: Path, edge_home: Path) -> None:
    """Enrol, swap and be refused: no name, no salt and no embedding in any log."""
    from edge.jobs.file import swap_file
    from tests.scene import stage

    pytest.importorskip("c2pa")
    ready = stage(edge_home, tmp_path / "stage")
    target = ready.picture("t.png")
    swap_file(ready.swapper(), target, tmp_path / "o.png")
    with pytest.raises(ConsentError):
        swap_file(ready.swapper(purpose="game"), target, tmp_path / "p.png")
    person = ready.identity
    secrets = [person.subject, person.salt]
    secrets += [base64.b64encode(v.tobytes()).decode()[:32] for v in person.embeddings.values()]
    logs = [path for path in (edge_home / "state").rglob("*") if path.is_file()]
    assert edge_home / "state" / "ledger.jsonl" in logs
    for path in logs:
        text = path.read_text(errors="replace")
        if path.parent.name != "consents":  # the consents themselves, their owner's alone
            assert not [secret for secret in secrets if secret in text], path
