"""The threat model: every line names its tests, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TEXT)))

GOALS = (
    "unlabelled output",
    "a swap without consent",
    "a forged manifest that verifies as ours",
    "reading another file",
    "running code",
    "exhausting the machine",
    "losing or changing the ledger",
    "learning the source face",
)


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in functions_of(ROOT / path)


def rows() -> list[list[str]]:
    table = TEXT.split("## What must not happen")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[1][:40])
def test_every_line_names_a_control_and_a_test(row: list[str]) -> None:
    _, control, tests = row
    assert control
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", tests)


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_has_its_lines(goal: str) -> None:
    assert f"**{goal}**" in TEXT


def test_the_limits_shown_are_the_defaults() -> None:
    from edge.limits import DeviceLimits, device_limits, limits_path

    shown = re.search(r"```toml\n(.*?)```", TEXT.split("## Limits")[1], re.S)
    assert shown is not None
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text(shown[1])
    assert device_limits() == DeviceLimits()


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "docs" / "security.md", ROOT / "SECURITY.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page.name, link)
