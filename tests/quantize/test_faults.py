"""Full disks, shares, clocks and want of memory, for conversions and bundles: one line, no trace.

A run of each, once whole, says what may be there; with a fault there is that or nothing.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from edge.bundle.checking import check_parts, read_papers
from edge.bundle.holders import FolderHolder
from edge.cli import main
from edge.consent import canonical
from edge.registry import sha256_of
from quantize import measuring, way
from tests.faults import disk_of
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import reference_like
from tests.scene import stage

KINDS = ("quantize", "build")
Words = Callable[[str], list[str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.isolation import looking

    monkeypatch.setattr(way, "HELD_OUT", 2)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", 0.0)
    monkeypatch.setattr(looking, "try_stranger_isolated", lambda path, start=None: None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder that results go to; nothing else lies there."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def words(edge_home: Path, tmp_path: Path, place: Path) -> Words:
    """Calls that work, with little work."""
    nobody = stage(edge_home, tmp_path / "stage")
    (tmp_path / "model").mkdir()
    model = save(reference_like(), tmp_path / "model" / "face.onnx")
    card = write_card(tmp_path / "model" / "face.toml", model, mask="mask")

    def of(kind: str) -> list[str]:
        little = ["--card", str(card), "--count", "2", "--threads", "1", "-o", str(place / "out")]
        if kind == "quantize":
            return ["quantize", str(model), *little, "--precision", "int8"]
        who = ["--identity", str(nobody.identity_file), "--target", "jetson"]
        form = ["--precision", "fp32", "--detector", "tiny_detector"]
        return ["build", "--model", str(model), *little, *who, *form]

    return of


def check_whole(kind: str, place: Path) -> None:
    """See that a result is all that it says it is, and that nothing lies beside it."""
    assert [path.name for path in place.iterdir()] == ["out"]
    if kind == "build":
        holder = FolderHolder(place / "out")
        check_parts(holder, read_papers(holder).contents)
        return
    (model,) = (place / "out").glob("*.onnx")
    assert json.loads(model.with_name(f"{model.name}.json").read_text())["sha256"] == sha256_of(
        model
    )
    assert not list((place / "out").glob(".*"))


def one_line(capsys: pytest.CaptureFixture[str], kind: str) -> str:
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert said.startswith(f"edge {kind}: ")
    return said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 700, 3_000])
def test_a_full_disk(
    kind: str, size: int, words: Words, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with disk_of(size):
        assert main(words(kind)) == 2
    one_line(capsys, kind)
    assert not list(place.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_without_locks_links_and_folder_syncs_that_is_slow(
    kind: str, words: Words, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, flock = os.fsync, fcntl.flock

    def here(handle: int) -> bool:
        return Path(os.readlink(f"/proc/self/fd/{handle}")).is_relative_to(place)

    def no_lock(handle: int, how: int) -> None:
        if here(handle):
            raise OSError(errno.ENOLCK, "no locks available")
        flock(handle, how)

    def no_folders(handle: int) -> None:
        if here(handle) and Path(os.readlink(f"/proc/self/fd/{handle}")).is_dir():
            raise OSError(errno.EINVAL, "invalid argument")
        fsync(handle)

    def no_link(*names: Any, **more: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "fsync", no_folders)
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(fcntl, "flock", no_lock)
    assert main(words(kind)) == 0
    check_whole(kind, place)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_that_goes_away(
    kind: str,
    words: Words,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the last step, when all is made: the folder cannot be given its name any more."""
    replace = os.replace

    def gone(source: Any, target: Any, **more: Any) -> None:
        if Path(os.fsdecode(target)).is_relative_to(place):
            raise OSError(errno.ESTALE, "Stale file handle", os.fsdecode(target))
        replace(source, target, **more)

    monkeypatch.setattr(os, "replace", gone)
    monkeypatch.setattr(os, "rename", gone)
    assert main(words(kind)) == 2
    assert "tale file handle" in one_line(capsys, kind)
    assert not [path for path in place.rglob("*") if path.suffix in {".onnx", ".toml", ".sig"}]


def alone(words: list[str], before: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, after other code."""
    code = (
        "import sys\n"
        "from quantize import measuring, way\n"
        "way.HELD_OUT, measuring._SECONDS_FOR_TIMING = 2, 0.0\n"
        "from edge.isolation import looking\n"
        "looking.try_stranger_isolated = lambda path, start=None: None\n"
        f"{before}\n"
        "from edge.cli import main\n"
        f"sys.exit(main({words!r}))\n"
    )
    (tmp_path / "alone.py").write_text(code)
    root = Path(__file__).parents[2]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, str(tmp_path / "alone.py")]
    mount = f'mount -t tmpfs -o ro none "{tmp_path}/place" || exit 77; exec "$0" "$@"'
    if before == READ_ONLY:
        command = ["unshare", "-m", "sh", "-c", mount, *command]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


READ_ONLY = "# on a disk that may not be written to"
# These small models and pictures need less than is left: each picture is made to need more.
SHORT = """
import resource, cv2, numpy, onnx, onnxruntime
from edge.media import image
read = image._read_bytes
image._read_bytes = lambda path, most: (bytearray(200_000_000), read(path, most))[1]
now = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (now + {room}, now + {room}))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_disk(kind: str, words: Words, place: Path, tmp_path: Path) -> None:
    """A mount of its own, where this process may make one; root ignores the rights of a folder."""
    try:
        done = alone(words(kind), READ_ONLY, tmp_path)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this process may not mount a disk of its own")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "read-only" in done.stderr.lower() or "may not be written to" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [60_000_000])
def test_too_little_memory(kind: str, room: int, words: Words, place: Path, tmp_path: Path) -> None:
    done = alone(words(kind), SHORT.format(room=room), tmp_path)
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr.count("\n") == 1, done.stderr[-2000:]
    assert not list(place.iterdir())


@pytest.mark.parametrize("days", [-400, 800])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_clock_that_jumps_while_a_bundle_is_built(
    days: int,
    when: str,
    words: Words,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Back before the consent was given, or beyond its end: what is baked in may not be shown."""
    build = import_module("quantize.build")
    moved, real = canonical.utc_now() + datetime.timedelta(days=days), build.convert

    def jump() -> None:
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in {"edge", "quantize"} and "utc_now" in vars(module):
                monkeypatch.setattr(module, "utc_now", lambda: moved)

    def converted(*given: Any, **more: Any) -> Any:
        if when == "before":
            jump()
        done = real(*given, **more)
        jump()
        return done

    monkeypatch.setattr(build, "convert", converted)
    assert main(words("build")) == 2
    assert "consent" in one_line(capsys, "build")
    assert not list(place.iterdir())


def test_a_clock_that_jumps_does_not_matter_to_a_conversion(
    words: Words, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 400 * 86_400)
    assert main(words("quantize")) == 0
    check_whole("quantize", place)
