"""The rooms of the house: who may import whom, and how large a module may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNTIME = sorted((ROOT / "edge").rglob("*.py"))
TOOLCHAIN = sorted((ROOT / "quantize").rglob("*.py"))
MOST_LINES = 500

# Packages that only the toolchain or the workshop may use: a device does not carry them.
NOT_ON_A_DEVICE = {
    "quantize",
    "models",
    "targets",
    "tests",
    "onnx",
    "onnxslim",
    "torch",
    "numba",
    "skimage",
    "PIL",
    "scipy",
}

# Each engine is known to its own backend alone, c2pa to provenance alone, and so on, so that
# neither their shape nor their absence shows anywhere else.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("edge/backends/",),
    "ai_edge_litert": ("edge/backends/",),
    "tflite_runtime": ("edge/backends/",),
    "c2pa": ("edge/provenance/",),
    "av": ("edge/media/",),
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield the full name of every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}: relative import"
            yield node.module or "", node


def _tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name, _ in _imports(path)}


@pytest.mark.parametrize("path", RUNTIME, ids=_name)
def test_the_runtime_stays_on_the_device(path: Path) -> None:
    assert not _tops(path) & NOT_ON_A_DEVICE


@pytest.mark.parametrize("path", RUNTIME, ids=_name)
def test_foreign_packages_stay_in_their_room(path: Path) -> None:
    strangers = {
        package
        for package, rooms in ONLY_IN.items()
        if package in _tops(path) and not _name(path).startswith(rooms)
    }
    assert not strangers


@pytest.mark.parametrize("path", TOOLCHAIN, ids=_name)
def test_the_toolchain_does_not_know_the_command_line(path: Path) -> None:
    names = {name for name, _ in _imports(path)}
    assert not {name for name in names if name.split(".")[0] in {"models", "targets", "tests"}}


@pytest.mark.parametrize("path", [*RUNTIME, *TOOLCHAIN], ids=_name)
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [*RUNTIME, *TOOLCHAIN], ids=_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "no docstring at the top"


@pytest.mark.parametrize("folder", ["models", "models/training", "targets"])
def test_data_folders_are_no_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_module_is_a_drawer_for_everything() -> None:
    assert not [_name(p) for p in RUNTIME if p.stem in {"utils", "helpers", "common", "misc"}]


def test_two_modules_alone_can_open_a_connection() -> None:
    words = (
        "urllib.request",
        "http.client",
        "socket.create_connection",
        "import ssl",
        "import requests",
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "edge").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    # a model that the user asks for by name; a time stamp by the authority that the user configured
    assert found == {"edge/pull.py", "edge/provenance/tsp.py"}
