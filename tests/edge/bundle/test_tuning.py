"""The tuning beside a bundle: it chooses, and can do no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.bundle.contents import Contents, parse_contents
from edge.bundle.tuning import load_tuning, machine_key, save_tuning, tuning_path
from edge.errors import BundleError
from edge.machine import this_machine
from tests.bundles import Made


@pytest.fixture
def contents(made: Made) -> Contents:
    return parse_contents((made.folder / "bundle.toml").read_bytes(), "alice")


def test_it_lies_beside_the_bundle(made: Made, contents: Contents, tmp_path: Path) -> None:
    assert load_tuning(made.folder, contents) == (None, "")
    path = save_tuning(made.folder, contents, ["ort"], {"ort": 3})
    assert path == made.folder.parent / "alice.tuning.json"
    assert tuning_path(tmp_path / "alice.zip").name == "alice.zip.tuning.json"
    tuning, note = load_tuning(made.folder, contents)
    assert note == ""
    assert tuning is not None
    assert (tuning.order, dict(tuning.threads)) == (("ort",), {"ort": 3})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bundle": "ab" * 32}, "is of another bundle"),
        ({"machine": "ab" * 8}, "is of another machine"),
        ({"threads": {"ort": 65}}, "must lie between 0 and 64"),
        ({"threads": {"ort": -1}}, "must lie between 0 and 64"),
        ({"threads": {"ort": "many"}}, "is not a whole number"),
        ({"order": "ort"}, "is not a list"),
        ({"schema": "edge-swap/tuning-2"}, "is not one of"),
        ({"model": "mine.onnx"}, "is not a known field"),
    ],
)
def test_what_is_left_out(
    made: Made, contents: Contents, change: dict[str, Any], words: str
) -> None:
    path = save_tuning(made.folder, contents, ["ort"], {})
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    tuning, note = load_tuning(made.folder, contents)
    assert tuning is None
    assert words in note
    assert note.startswith("alice.tuning.json ")


def test_a_file_of_rubbish(made: Made, contents: Contents) -> None:
    tuning_path(made.folder).write_bytes(b"\xff" * 100)
    tuning, note = load_tuning(made.folder, contents)
    assert tuning is None
    assert "is left out" in note


def test_only_ways_of_the_bundle(made: Made, contents: Contents) -> None:
    for order, threads in ((["litert"], {}), (["ort"], {"litert": 2})):
        with pytest.raises(BundleError, match="has no way to run named 'litert'"):
            save_tuning(made.folder, contents, order, threads)


def test_machines_are_told_apart() -> None:
    here = this_machine()
    assert machine_key() == machine_key(here)
    for other in (replace(here, cores=here.cores + 1), replace(here, processor="another")):
        assert machine_key(other) != machine_key(here)
    assert machine_key(replace(here, governor="x", memory=1, kernel="y")) == machine_key(here)


def test_it_never_lies_in_the_bundle(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tuning_path(made.folder)
    monkeypatch.chdir(made.folder)
    assert tuning_path(Path()) == beside
    monkeypatch.chdir(made.folder / "models")
    assert tuning_path(Path("..")) == beside
