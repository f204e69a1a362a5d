"""The card of a converted model in a bundle: its original's, but for what its own file decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tomli_w")

from edge.cards import find_card
from quantize.bundle_cards import converted_card, read_values
from tests import tiny

NAMES = (["target", "source"], ["output", "mask"])


def converted(home: Path, layout: str, kind: str) -> dict[str, Any]:
    """Return the card of a conversion of the tiny swapper."""
    text = tiny.SWAPPER.replace('channels = "RGB"', f'channels = "RGB"\nlayout = "{layout}"', 1)
    tiny.install_one(home, "tiny_turned", "swapper", text, tiny.swapper())
    facts = {"precision": "int8", "format": kind, "file": "m", "sha256": "0" * 64, "size": 7}
    values = read_values(find_card("tiny_turned"))
    return converted_card(values, facts, names=NAMES, identity="", emap="")


@pytest.mark.parametrize(
    ("layout", "kind", "kept"),
    [("NHWC", "onnx", "NHWC"), ("NHWC", "ort", "NHWC"), ("NHWC", "tflite", None)],
)
def test_an_engine_that_turns_pictures_is_not_asked_to_do_it_twice(
    edge_home: Path, layout: str, kind: str, kept: str | None
) -> None:
    assert converted(edge_home, layout, kind)["input"].get("layout") == kept


def test_what_its_file_decides(edge_home: Path) -> None:
    made = converted(edge_home, "NCHW", "onnx")
    assert (made["name"], made["file"], made["size"]) == ("tiny_turned.int8.onnx", "m", 7)
    assert (made["precision"], made["sha256"]) == ("int8", "0" * 64)
    assert made["crop"] == read_values(find_card("tiny_turned"))["crop"]
