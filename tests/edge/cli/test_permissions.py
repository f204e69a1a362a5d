"""What the system refuses: every command says so in one line, and writes nothing half.

The superuser may read and write everywhere, so as the superuser these tests act as nobody.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.cli import main
from tests.scene import ARGUMENTS, stage

NOBODY = 65534
LEAVE = ("--purpose", "film", "--target-is", "synthetic", *ARGUMENTS)


@dataclass(frozen=True)
class Place:
    """A folder that nobody can enter, with a stage in it; and one that may not be entered."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @property
    def closed(self) -> Path:
        return self.root / "closed"


def _swap(source: Path | str, output: Path | str) -> list[str]:
    words = ["swap", "--identity", "nobody.identity", "--input", str(source)]
    return [*words, "--output", str(output), *LEAVE]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act as nobody where this is the superuser; everybody else stays who they are."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Place]:
    """Below the system's own temporary folder: pytest's may be entered by its owner alone."""
    root = Path(tempfile.mkdtemp(prefix="edge-permissions-"))
    place = Place(root)
    before, folder = os.environ.get("EDGE_HOME"), Path.cwd()
    os.environ["EDGE_HOME"] = str(place.home)
    try:
        ready = stage(place.home, place.work)
        ready.picture("target.png")
        os.chdir(place.work)
        # Once as ourselves: what is imported later could not be read as nobody.
        assert main(_swap("target.png", "first.png")) == 0
        assert main(["verify", "first.png"]) == 0
        assert main(["consent", "show", "nobody.identity"]) == 0
        yield place
    finally:
        os.chdir(folder)
        if before is None:
            del os.environ["EDGE_HOME"]
        else:
            os.environ["EDGE_HOME"] = before
        shutil.rmtree(root)


@pytest.fixture
def place(
    prepared: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    monkeypatch.setenv("EDGE_HOME", str(prepared.home))
    monkeypatch.chdir(prepared.work)
    for folder, mode in ((prepared.secret, 0o000), (prepared.closed, 0o555)):
        folder.mkdir()
        folder.chmod(mode)
    if os.geteuid() == 0:
        for path in (prepared.root, *prepared.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    capsys.readouterr()
    yield prepared
    for path in (prepared.secret, prepared.closed):
        path.chmod(0o700)
        shutil.rmtree(path)


def files(place: Place) -> set[Path]:
    return {path for path in place.work.rglob("*") if path.is_file()}


CALLS: dict[str, Callable[[Place], list[str]]] = {
    "picture into a read-only folder": lambda p: _swap("target.png", p.closed / "out.png"),
    "picture into a secret folder": lambda p: _swap("target.png", p.secret / "out.png"),
    "picture out of a secret folder": lambda p: _swap(p.secret / "a.png", "out.png"),
    "video out of a secret folder": lambda p: _swap(p.secret / "a.mp4", "out.mp4"),
    "folder that is secret": lambda p: _swap(p.secret, "out.png"),
    "secret match": lambda p: [*_swap("target.png", "out.png"), "--match", str(p.secret / "a")],
    "detect": lambda p: ["detect", str(p.secret / "a.png"), "--detector", "tiny_detector"],
    "verify": lambda p: ["verify", str(p.secret / "a.png")],
    "consent show": lambda p: ["consent", "show", str(p.secret / "c.json")],
    "consent new": lambda p: [
        *("consent", "new", "--subject", "A", "--adult", "yes", "--intimate", "no"),
        *("--purpose", "film", "--photos", "photo.png", "-o", str(p.secret / "c.json")),
    ],
    "enroll": lambda p: [
        *("enroll", "--consent", str(p.secret / "c.json"), "--photos", "photo.png"),
        *("-o", str(p.secret / "a.identity")),
    ],
    "identity show": lambda p: ["identity", "show", str(p.secret / "a.identity")],
    "identity erase": lambda p: ["identity", "erase", "--yes", str(p.secret / "a.identity")],
    "models add": lambda p: ["models", "add", str(p.secret / "a.onnx")],
    "keys import": lambda p: ["keys", "import", "--key", str(p.secret / "k"), "--chain", "c"],
}


@pytest.mark.parametrize("call", CALLS)
def test_what_may_not_be_reached(
    place: Place, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(place)
    words = CALLS[call](place)
    with as_nobody():
        status = main(words)
    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith(f"edge {words[0]}: ")
    assert files(place) == before


COMMANDS = (
    _swap("target.png", "out.png"),
    ["ledger", "show"],
    ["ledger", "verify"],
    ["ledger", "recover"],
    ["keys", "show"],
    ["keys", "rotate"],
    ["consent", "trust", "list"],
    ["consent", "show", "nobody.identity"],
    ["models", "list"],
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]))
@pytest.mark.parametrize("folder", ["state", "config", "data"])
def test_a_home_that_may_not_be_entered(
    place: Place, folder: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Either the command does not need that folder, or it is one line; never a stack of calls."""
    before = files(place)
    (place.home / folder).chmod(0o000)
    try:
        with as_nobody():
            status = main([*words])
    finally:
        (place.home / folder).chmod(0o700)
    shown = capsys.readouterr()
    assert status in {0, 2}
    assert shown.err.count("\n") == (1 if status == 2 else 0)
    if words[0] == "swap":
        assert status == 2
    assert files(place) == before


def test_a_ledger_that_cannot_be_written_stops_every_output(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    state = place.home / "state"
    state.chmod(0o555)
    ledger = state / "ledger.jsonl"
    mode = stat.S_IMODE(ledger.stat().st_mode)
    ledger.chmod(0o400)
    before = files(place)
    try:
        with as_nobody():
            status = main(_swap("target.png", "out.png"))
    finally:
        state.chmod(0o700)
        ledger.chmod(mode)
    assert status == 2
    assert "ledger" in capsys.readouterr().err
    assert files(place) == before
