"""Outputs: nothing half-made, nothing replaced that was not to be, nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import OutputError, UsageError
from edge.publish import OLD, host_tag
from quantize.outputs import Names, Staging, check_outputs, names_of
from quantize.targets import FORMATS

NAMES = names_of(Path("deep/face.v2.onnx"), "x86_cpu", "int8", "ort")


def test_names_begin_with_the_models_own() -> None:
    assert NAMES.model == "face.v2.x86_cpu.int8.ort"
    assert NAMES.report == "face.v2.x86_cpu.int8.ort.json"
    assert len(set(NAMES.all())) == len(NAMES.all()) == 5
    assert all(name.startswith("face.v2.x86_cpu.int8.") for name in NAMES.all())


def test_formats_do_not_share_a_file() -> None:
    every = [names_of(Path("m.onnx"), "jetson", "fp16", form).all() for form in FORMATS]
    assert len(set().union(*every)) == sum(map(len, every))


def fill(staging: Staging, names: Names = NAMES) -> None:
    for name in (names.model, names.report, names.emap):
        staging.path(name).write_text(name)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_everything_appears_at_once_and_the_model_last(tmp_path: Path) -> None:
    out, seen = tmp_path / "out", []
    with Staging(out) as staging:
        fill(staging)
        assert not out.exists()
        placed = staging.publish(NAMES.model, made=lambda path: seen.append(path.name))
    assert placed[-1] == out / NAMES.model
    assert seen[-1] == NAMES.model
    assert listing(out) == sorted([NAMES.model, NAMES.report, NAMES.emap])
    assert listing(tmp_path) == ["out"]


def test_files_made_from_a_person_are_private(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Staging(out) as staging:
        fill(staging)
        staging.publish(NAMES.model, private=True)
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}


def interrupted(out: Path, error: BaseException) -> None:
    with Staging(out) as staging:
        fill(staging)
        raise error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), ValueError()], ids=repr
)
def test_whatever_ends_the_work_nothing_is_left(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        interrupted(tmp_path / "out", error)
    assert listing(tmp_path) == []


def publish(out: Path, made: Callable[[Path], None] = lambda path: None) -> tuple[Path, ...]:
    with Staging(out) as staging:
        fill(staging)
        return staging.publish(NAMES.model, overwrite=True, made=made)


def test_what_was_placed_is_taken_back_when_the_last_step_fails(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refuse(path: Path) -> None:
        if path.name == NAMES.model:
            raise OutputError("no note")

    with pytest.raises(OutputError, match="no note"):
        publish(out, refuse)
    assert listing(tmp_path) == []


def test_a_full_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("stays")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="the disk is full"):
        publish(out)
    assert listing(out) == ["mine.txt"]


EARLIER = {name: f"earlier {name}" for name in (NAMES.model, NAMES.report, NAMES.operators)}


def earlier_conversion(out: Path) -> None:
    out.mkdir()
    for name, text in EARLIER.items():
        (out / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("error", [OutputError("no note"), KeyboardInterrupt(), OSError(28, "")])
@pytest.mark.parametrize("at", [NAMES.emap, NAMES.report, NAMES.model])
def test_an_earlier_conversion_is_there_again_when_a_step_fails(
    error: BaseException, at: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    earlier_conversion(out)

    def refuse(path: Path) -> None:
        if path.name == at:
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        publish(out, refuse)
    assert contents(out) == EARLIER
    assert listing(tmp_path) == ["out"]


def test_an_earlier_conversion_that_cannot_be_moved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", os.replace
    earlier_conversion(out)

    def picky(source: Path, target: Path) -> None:
        if source == out / NAMES.report:
            raise OSError(errno.EACCES, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", picky)
    with pytest.raises(OutputError, match="may not be written to"):
        publish(out)
    assert contents(out) == EARLIER


def test_what_cannot_be_put_back_is_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", os.replace
    earlier_conversion(out)

    def broken(path: Path) -> None:
        def picky(source: Path, target: Path) -> None:
            if target == out / NAMES.model:
                raise OSError(errno.EIO, "Input/output error")
            real(source, target)

        monkeypatch.setattr(os, "replace", picky)
        raise OutputError("no note")

    with pytest.raises(OutputError, match=r"cannot be put back .*move it by hand") as caught:
        publish(out, broken)
    (aside,) = out.rglob(f"old/{NAMES.model}")
    assert str(aside) in str(caught.value)
    assert aside.read_text() == EARLIER[NAMES.model]
    assert (out / NAMES.report).read_text() == EARLIER[NAMES.report]


def test_what_took_a_name_meanwhile_keeps_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Staging(out) as staging:
        fill(staging)
        earlier_conversion(out)
        with pytest.raises(OutputError, match="exists already"):
            staging.publish(NAMES.model)
    assert contents(out) == EARLIER
    assert listing(tmp_path) == ["out"]


def test_an_earlier_conversion_is_replaced_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    earlier_conversion(out)
    publish(out)
    new = {name: name for name in (NAMES.model, NAMES.report, NAMES.emap)}
    assert contents(out) == {**EARLIER, **new}


def test_what_only_the_earlier_conversion_made_goes_with_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    earlier_conversion(out)
    more = (f"{NAMES.model}.data", NAMES.operators)
    for name in more:
        (out / name).write_text("earlier")
    with Staging(out) as staging:
        fill(staging)
        staging.publish(NAMES.model, overwrite=True, whole=NAMES.all())
    assert contents(out) == {name: name for name in (NAMES.model, NAMES.report, NAMES.emap)}
    assert listing(tmp_path) == ["out"]


def test_what_only_the_earlier_conversion_made_is_there_again_when_a_step_fails(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    earlier_conversion(out)
    weights = f"{NAMES.model}.data"
    (out / weights).write_text("earlier")

    def refuse(path: Path) -> None:
        raise OutputError("no note")

    with Staging(out) as staging:
        fill(staging)
        with pytest.raises(OutputError, match="no note"):
            staging.publish(NAMES.model, overwrite=True, whole=NAMES.all(), made=refuse)
    assert contents(out) == {**EARLIER, weights: "earlier"}


def test_what_a_killed_conversion_had_set_aside_is_found_again(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    aside = tmp_path / f".{NAMES.model}.{host_tag()}-{dead.pid}-00000000.part" / OLD
    aside.mkdir(parents=True)
    (aside / NAMES.model).write_text("earlier")
    with pytest.raises(OutputError, match="exists already"):
        check_outputs(tmp_path, NAMES, [])
    assert contents(tmp_path) == {NAMES.model: "earlier"}


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("stays")
    publish(out)
    assert "mine.txt" in listing(out)
    assert len(listing(out)) == 4


def test_a_folder_on_another_disk_is_worked_in_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # as if nothing may be written beside it
    with Staging(out) as staging:
        assert staging.path("x").parent.parent == out
        fill(staging)
        staging.publish(NAMES.model)
    assert len(listing(out)) == 3


def test_missing_folders_are_made(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    publish(out)
    assert (out / NAMES.model).is_file()


@pytest.mark.parametrize("name", NAMES.all())
def test_what_exists_is_not_replaced_unasked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(OutputError, match="exists already; choose another folder or give"):
        check_outputs(tmp_path, NAMES, [])
    check_outputs(tmp_path, NAMES, [], overwrite=True)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_input_is_never_replaced(link: object, tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    source.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    link(source, out / NAMES.model)  # type: ignore[operator]
    with pytest.raises(UsageError, match="is an input itself"):
        check_outputs(out, NAMES, [source], overwrite=True)


def test_an_output_that_is_a_folder_or_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / NAMES.model).mkdir()
    with pytest.raises(OutputError, match="no plain file"):
        check_outputs(tmp_path, NAMES, [], overwrite=True)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError, match="is no folder"):
        check_outputs(file, NAMES, [])


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not be written to"):
        check_outputs(tmp_path / "a" / "b", NAMES, [])


def test_it_is_a_context_manager(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        Staging(tmp_path / "out").path("x")
    with pytest.raises(RuntimeError, match="context manager"):
        Staging(tmp_path / "out").publish("x")
