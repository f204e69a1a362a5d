"""Going on with a folder: what was made otherwise than now is not taken for made."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import MediaError
from edge.jobs.folder import swap_folder
from edge.jobs.results import FolderSummary
from edge.provenance.label import default_language
from edge.records import ModelUse
from edge.swap import Swapper
from tests.scene import ENGINES, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    """What a swap needs, and a folder with a picture that was swapped."""
    made = stage(edge_home, tmp_path / "work")
    (made.folder / "in").mkdir()
    write(made.folder / "in" / "a.png", target())
    assert len(again(made, made.swapper()).done) == 1
    return made


def again(ready: Stage, swapper: Swapper, *, overwrite: bool = False) -> FolderSummary:
    inputs, outputs = ready.folder / "in", ready.folder / "out"
    return swap_folder(swapper, inputs, outputs, resume=True, overwrite=overwrite)


def test_the_same_command_makes_nothing_anew(ready: Stage) -> None:
    summary = again(ready, ready.swapper())
    assert (len(summary.kept), summary.done, summary.failed) == (1, (), ())


def test_another_statement_about_the_target_is_another_output(ready: Stage) -> None:
    summary = again(ready, ready.swapper(target_is="self"))
    assert summary.kept == ()
    assert "exists already" in summary.failed[0][1]  # nothing is replaced unasked
    summary = again(ready, ready.swapper(target_is="self"), overwrite=True)
    assert len(summary.done) == 1
    assert len(again(ready, ready.swapper(target_is="self")).kept) == 1


@pytest.mark.parametrize(
    "change",
    [{"name": "another"}, {"sha256": "ab" * 32}, {"backend": "litert"}, {"provider": "Other"}],
    ids=lambda change: next(iter(change)),
)
def test_another_model_makes_it_anew(
    ready: Stage, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    swapper = ready.swapper()
    *others, last = swapper.models
    uses: tuple[ModelUse, ...] = (*others, replace(last, **change))
    monkeypatch.setattr(Swapper, "models", property(lambda self: uses))
    assert again(ready, swapper).kept == ()
    (done,) = again(ready, swapper, overwrite=True).done
    assert done.record is not None
    assert done.record.models == uses
    assert len(again(ready, swapper).kept) == 1


def test_one_more_model_makes_it_anew(ready: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    swapper = ready.swapper()
    uses = (replace(swapper.models[0], kind="masker"), *swapper.models)
    monkeypatch.setattr(Swapper, "models", property(lambda self: uses))
    assert again(ready, swapper).kept == ()


def test_an_entry_without_models_is_of_no_output_of_ours(ready: Stage) -> None:
    swapper = ready.swapper()
    path = swapper.ledger.path
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        if "models" in line:
            line["models"] = "none"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert again(ready, swapper).kept == ()


def chosen(ready: Stage, **change: Any) -> Swapper:
    """The same swapper but for one choice."""
    engines = {k: change.pop(k) for k in ("min_score", "boost", "threads") if k in change}
    how = {"purpose": "film", "target_is": "synthetic", "engines": replace(ENGINES, **engines)}
    return Swapper(ready.identity, **{**how, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"label_style": "eu-icon"},
        {"label_language": "zh" if default_language() == "en" else "en"},
        {"faces": "largest"},
        {"min_score": 0.31},
        {"boost": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_chosen_otherwise_is_made_anew(ready: Stage, change: dict[str, Any]) -> None:
    other = chosen(ready, **change)
    assert again(ready, other).kept == ()
    assert len(again(ready, other, overwrite=True).done) == 1
    assert len(again(ready, other).kept) == 1
    assert again(ready, ready.swapper()).kept == ()


def test_how_many_threads_work_is_no_choice(ready: Stage) -> None:
    assert len(again(ready, chosen(ready, threads=2)).kept) == 1


def test_entries_of_before_say_nothing_of_choices(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ready.folder / "out" / "a.png").unlink()
    with monkeypatch.context() as before:
        before.setattr(Swapper, "choices", lambda self: "")
        assert len(again(ready, ready.swapper()).done) == 1
    assert len(again(ready, ready.swapper()).kept) == 1


def test_what_is_closed_to_us_is_told_and_stops_nothing_else(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is for another user: a folder that nobody lists, a file that nobody looks at."""
    scandir, is_file = os.scandir, Path.is_file

    def listed(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    def looked_at(path: Path) -> bool:
        if path.parent.name == "half":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_file(path)

    inputs = ready.folder / "in"
    for name in ("closed", "half"):
        (inputs / name).mkdir()
        write(inputs / name / "b.png", target())
    monkeypatch.setattr(os, "scandir", listed)
    monkeypatch.setattr(Path, "is_file", looked_at)
    summary = again(ready, ready.swapper(), overwrite=True)
    assert len(summary.kept) == 1
    assert [path for path, _ in summary.failed] == [inputs / "closed", inputs / "half" / "b.png"]
    assert all("Permission denied" in why for _, why in summary.failed)
    (inputs / "a.png").unlink()
    with pytest.raises(MediaError, match="closed: cannot be read"):
        again(ready, ready.swapper())
