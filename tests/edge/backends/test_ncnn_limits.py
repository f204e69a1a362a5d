"""Hostile tables of layers: each is refused in one line, before the engine is loaded."""

from __future__ import annotations

import pytest

from edge.backends._model_limits import Counts
from edge.backends._ncnn_limits import check_layers
from edge.backends._onnx_limits import Refused
from edge.limits import ModelLimits


def table(*layers: str, blobs: int = 9) -> str:
    return "\n".join(["7767517", f"{len(layers)} {blobs}", *layers, ""])


SOUND = table(
    "Input            in0        0 1 in0",
    "Split            s          1 2 in0 a b",
    "Convolution      c          1 1 a d 0=32 1=4 -23310=1,0.1 5=1 6=1536 9=2",
    "InnerProduct     f          1 1 b e 0=96 2=400",
    "Interp           i          1 1 d g 0=1 1=2.0 2=2.0 6=0",
    "Reshape          r          1 1 g h 0=-1 1=16 2=-233",
    "MemoryData       m          0 1 k 0=8 1=4",
)


def check(text: str, weights: int = 4000) -> None:
    check_layers(text, weights, Counts(ModelLimits(max_nodes=20)))


def test_a_sound_table_passes() -> None:
    check(SOUND)


HOSTILE = {
    "weights": (SOUND, 1500, Refused, "reads more weights than the 1500 bytes"),
    "much": (table("Convolution c 1 1 a b 6=2000000000"), 4000, Refused, "'c' has 7629 MiB"),
    "negative": (table("Convolution c 1 1 a b 6=-5"), 4000, Refused, "negative size"),
    "input": (table("Input i 0 1 a 0=100000 1=100000"), 0, Refused, "what its layer 'i' makes has"),
    "resized": (table("Interp i 1 1 a b 1=1e5 2=1e5"), 0, Refused, "what its layer 'i' makes has"),
    "stored": (table("MemoryData m 0 1 a 0=99999 1=99999"), 9, Refused, "'m' holds has"),
    "nodes": (table(*["ReLU r 1 1 a b"] * 21), 0, Refused, "more than 20 nodes"),
    "blobs": (table("ReLU r 1 1 a b", blobs=10**9), 0, Refused, "1000000000 blobs"),
    "states": ("7767517\n9 9\nReLU r 1 1 a b\n", 0, ValueError, "states 9 layers, and has 1"),
    "names": (table("ReLU r 1 1000000 a b"), 0, ValueError, "fewer blobs than it states"),
    "less": (table("ReLU r -1 1 a b"), 0, ValueError, "fewer blobs than it states"),
    "magic": ("1\n0 0\n", 0, ValueError, "no table of layers"),
    "words": ("7767517\n1 1\nReLU\n", 0, IndexError, "out of range"),
    "number": (table("Convolution c 1 1 a b 6=1e999"), 0, OverflowError, "infinity"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_are_refused(name: str) -> None:
    text, weights, kind, words = HOSTILE[name]
    with pytest.raises(kind, match=words):
        check(text, weights)
