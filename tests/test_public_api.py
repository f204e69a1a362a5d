"""The public API: what `edge` offers is listed, sorted, resolvable and defined in `edge` itself."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import edge

ROOT = Path(edge.__file__).parent


def test_all_is_sorted_and_complete() -> None:
    assert edge.__all__ == sorted(edge.__all__)
    assert len(edge.__all__) == len(set(edge.__all__))
    assert set(edge.__all__) - {"__version__"} == set(edge._HOME)
    assert set(edge.__all__) <= set(dir(edge))


@pytest.mark.parametrize("name", [name for name in edge.__all__ if name != "__version__"])
def test_every_name_resolves_to_something_of_ours(name: str) -> None:
    thing = getattr(edge, name)
    assert thing.__module__.startswith("edge.")
    assert inspect.getdoc(thing), f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Swaper'"):
        edge.Swaper  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for block in guarded
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == edge._HOME


def test_the_types_are_shipped() -> None:
    assert (ROOT / "py.typed").is_file()


def test_one_version() -> None:
    project = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{edge.__version__}"' in project
