"""What `quantize.passes` offers: each pass is a file, a name and a stated tolerance."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from quantize import passes
from quantize.passes import Pass

FOLDER = Path(passes.__file__).parent
TESTS = Path(__file__).parent
FILES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "base"))
CLASSES = [
    thing
    for name in passes.__all__
    if inspect.isclass(thing := getattr(passes, name)) and issubclass(thing, Pass)
]
CONCRETE = [one for one in CLASSES if not inspect.isabstract(one)]


def test_all_resolves() -> None:
    assert len(set(passes.__all__)) == len(passes.__all__)
    assert all(hasattr(passes, name) for name in passes.__all__)


def test_a_file_per_pass() -> None:
    assert sorted(FILES) == sorted([*(one.name for one in CONCRETE), "runner"])


@pytest.mark.parametrize("name", FILES)
def test_a_test_per_file(name: str) -> None:
    assert (TESTS / f"test_{name}.py").is_file()


@pytest.mark.parametrize("one", CONCRETE, ids=lambda one: str(one.name))
def test_each_pass_states_its_rule(one: type[Pass]) -> None:
    assert one.__module__ == f"quantize.passes.{one.name}"
    assert 0 <= one.tolerance <= 1e-4
    assert re.search(r"^ *1\. ", one.__doc__ or "", re.MULTILINE), "no numbered cases"
