"""Cards are written whole or not at all; what they say: see `test_adding`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge import draft, resources
from edge.backends._onnx_outline import outline_of
from edge.cards import broken_cards, find_card
from edge.errors import ModelError

MODEL = resources.weights_dir() / "ref_embedder.onnx"


def test_a_full_disk_leaves_no_half_of_a_card(
    edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = find_card("ref_embedder")
    outline = outline_of(MODEL)

    def write() -> Path:
        return draft.write_card(outline, MODEL, "ab" * 32, 7, like=like)

    def full(handle: int) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ModelError, match=r"ref_embedder_2\.toml: cannot be written: No space"):
            write()
    assert list((edge_home / "data" / "cards").iterdir()) == []
    assert broken_cards() == []
    path = write()
    assert [path] == list((edge_home / "data" / "cards").iterdir())
    assert find_card("ref_embedder_2").sha256 == "ab" * 32
