"""Nothing that shows a swapped face leaves `edge` without its label.

The pixels between swap model and label pass through functions whose names begin with an
underscore. These tests name their only callers, and see that each of those draws the label.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import edge
from edge.cli import command_names
from edge.jobs.results import Done
from edge.swap import LabelledFrame, Swapper

ROOT = Path(edge.__file__).parent

# Who may call the stage, and what happens to the pixels there.
CALLERS = {
    "_swap_crop": {
        "bench.py": "measured, and thrown away",
        "trials.py": "compared with one another and measured, and thrown away",
    },
    "_swap_crops": {
        "swap.py": "_swap_into pastes them into our own copy of the frame",
        "swapmodel.py": "_swap_crop is one of them",
    },
    "_swap_vector": {
        "device_test.py": "turned into a hash and a sketch, and thrown away",
    },
    "_swap_into": {
        "swap.py": "labelled in Swapper.swap",
        "jobs/picture.py": "labelled before it is encoded",
        "jobs/video.py": "labelled before the frame is written",
        "live/pipeline.py": "labelled before the frame goes to a recorder or a viewer",
    },
}


def _functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node


def _calls(function: ast.FunctionDef) -> list[str]:
    """Return the names of the methods that a function calls, in the order of the lines."""
    found = [
        node.func
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    return [call.attr for call in sorted(found, key=lambda call: (call.lineno, call.col_offset))]


@pytest.mark.parametrize("stage", CALLERS)
def test_unlabelled_pixels_are_asked_for_in_known_places_only(stage: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if any(stage in _calls(function) for function in _functions(path))
    }
    assert users == set(CALLERS[stage])


@pytest.mark.parametrize("user", CALLERS["_swap_into"])
def test_whoever_swaps_into_a_frame_labels_it_next(user: str) -> None:
    for function in _functions(ROOT / user):
        calls = _calls(function)
        if "_swap_into" in calls:
            after = calls[calls.index("_swap_into") :]
            assert "draw" in after, f"{user}: {function.name} swaps and does not label"
            handed_out = {"write", "publish", "encode_picture"} & set(after)
            assert all(after.index("draw") < after.index(name) for name in handed_out)


def test_the_public_methods_of_the_swapper() -> None:
    """A new one is a question: does it hand out pixels, and are they labelled?"""
    public = {
        name
        for name, member in inspect.getmembers(Swapper)
        if not name.startswith("_") and (callable(member) or isinstance(member, property))
    }
    without_pixels = {
        "choices",  # a hash
        "find",
        "finished",
        "follower",
        "models",
        "nothing_found",
        "people",
        "permit_for",
        "plan_label",
        "record",
        "refusals",
        "settings",  # texts and hashes
    }
    assert public == {"swap", *without_pixels}
    assert inspect.signature(Swapper.swap).return_annotation == "LabelledFrame"
    assert LabelledFrame.__dataclass_fields__["frame"].type == "NDArray[np.uint8]"
    assert not {field for field in Done.__dataclass_fields__ if "frame" in field or "pix" in field}


def test_no_argument_is_about_having_no_label() -> None:
    words = ("no_label", "unlabel", "label_size", "label_scale", "no_manifest", "skip_sign")
    for path in ROOT.rglob("*.py"):
        for function in _functions(path):
            names = [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]
            bad = [name for name in names if any(word in name for word in words)]
            assert not bad, f"{path}: {function.name} takes {bad}"


@pytest.mark.parametrize("command", command_names())
def test_no_option_is_about_having_no_label(command: str) -> None:
    parser = argparse.ArgumentParser()
    import_module(f"edge.cli.{command}").configure(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    about = {o for o in options if any(word in o for word in ("label", "sign", "manifest", "mark"))}
    assert about <= {"--label-language", "--label-style", "--landmarker"}
