"""The fuzzer: a short run finds nothing; and what it should find, it finds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import fuzz_corpus
from scripts.fuzz_corpus import run_one
from scripts.fuzz_main import run_corpus

SEED = int(os.environ.get("EDGE_FUZZ_SEED", "1"))


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    """Some dozen files of all kinds; `scripts/fuzz` runs 10,000."""
    found = run_corpus(24, SEED, tmp_path)
    assert found == []
    again = run_corpus(24, SEED, tmp_path)  # all of it is done
    assert again == []
    lines = (tmp_path / f"seed-{SEED}.jsonl").read_text().splitlines()
    assert sorted(number for line in lines for number in json.loads(line)["done"]) == list(
        range(24)
    )


Fake = Callable[[list[str]], int]


def _fails(words: list[str]) -> int:
    raise KeyError("a bug")


def _says_much(words: list[str]) -> int:
    os.write(2, b"edge swap: one\nedge swap: two\n")
    return 2


def _says_nothing(words: list[str]) -> int:
    return 2


def _other_status(words: list[str]) -> int:
    return 1


def _warns(words: list[str]) -> int:
    os.write(2, b"[h264] error while decoding\n")  # as a C library does
    return 0


def _traces(words: list[str]) -> int:
    os.write(2, b"Traceback (most recent call last):\n  a line\n")
    return 2


def _draws(words: list[str]) -> int:
    os.write(1, b"a name of \x1b[31mred\n")
    return 0


def _leaves(words: list[str]) -> int:
    Path(words[1], "out", ".half.part").touch()
    os.write(2, b"edge swap: refused\n")
    return 2


def _elsewhere(words: list[str]) -> int:
    Path(words[1], "beside").touch()
    return 0


def _opens(words: list[str]) -> int:
    for _ in range(5):
        os.open("/dev/null", os.O_RDONLY)
    return 0


def _grows(words: list[str]) -> int:
    b"x" * (fuzz_corpus.MEMORY + (1 << 20))
    return 0


@pytest.mark.parametrize(
    ("fake", "what"),
    [
        (_fails, "traceback"),
        (_says_much, "output"),
        (_says_nothing, "output"),
        (_other_status, "status"),
        (_warns, "output"),
        (_traces, "traceback"),
        (_draws, "output"),
        (_leaves, "stray"),
        (_elsewhere, "stray"),
        (_opens, "files"),
        (_grows, "memory"),
    ],
)
def test_what_is_wrong_is_found(
    fake: Fake, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.main", fake)
    monkeypatch.setattr(fuzz_corpus, "MEMORY", 100_000_000)
    folder = tmp_path / "work"
    folder.mkdir()
    found = run_one(["swap", str(folder)], 7, "png", folder)
    assert what in {finding.what for finding in found}
    assert not list(folder.iterdir())


def test_a_good_end_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(words: list[str]) -> int:
        Path(words[1], "out", "out.png").touch()
        return 0

    monkeypatch.setattr("edge.cli.main", fake)
    folder = tmp_path / "work"
    folder.mkdir()
    assert run_one(["swap", str(folder)], 7, "png", folder) == []


@pytest.mark.parametrize(("hung", "what"), [(False, "crash"), (True, "hang")])
def test_a_dead_worker_costs_one_file(tmp_path: Path, hung: bool, what: str) -> None:
    journal = tmp_path / "journal"
    notes: list[dict[str, object]] = [
        {"begin": 4, "command": "verify"},
        {"end": []},
        {"done": 4},
        {"begin": 5, "command": "swap"},
    ]
    journal.write_text("".join(json.dumps(note) + "\n" for note in notes))
    batch = fuzz_corpus._read(journal, -11, hung, "Segmentation fault")
    assert batch.done == [4, 5]
    (finding,) = batch.findings
    assert (finding.what, finding.number, finding.command) == (what, 5, "swap")
