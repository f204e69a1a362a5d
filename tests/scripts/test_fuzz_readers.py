"""Every reader on good records and on hundreds of damaged ones: taken, or refused in one line."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from scripts.fuzz_mutate import mutated, xmp_packet
from scripts.fuzz_readers import READERS, check, good, home_in

TRIES = {"verify": 25, "bundle": 150, "onnx": 100, "ort": 100, "tflite": 100, "mnn": 100}
SEED = int(os.environ.get("EDGE_FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    with home_in(folder / "home"):
        good("card", folder)
    return folder


@pytest.mark.parametrize("name", sorted(READERS))
def test_damaged_records_are_refused_in_one_line(name: str, stage: Path, tmp_path: Path) -> None:
    with home_in(stage / "home"):
        sources = good(name, stage)
        for data in sources:
            if name != "journal":  # which only the video that it is of takes
                READERS[name](data, tmp_path)
        chance = random.Random(f"{SEED}/{name}")
        for _ in range(TRIES.get(name, 400)):
            data = chance.choice(sources)
            kind = {"bundle": "zip", "onnx": "onnx", "verify": "jpeg"}.get(name, "xmp")
            text = kind == "xmp" and name not in {"mnn", "ort", "tflite"}
            if text and chance.random() < 0.5:
                data = xmp_packet(data, chance)
            check(name, mutated(data, kind, chance, sources), tmp_path)


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\0", b"{", b"[]", b"\xff" * 300, b"[" * 100_000, b"a" * 300_000),
        *(b'{"a":1e999}', b"a = " + b"[" * 5000, b"-" + b"9" * 10_000, b"a = " + b"9" * 10_000),
        *("{\u202e}".encode(), b"\x1b[2J\n" * 50),
    ],
    ids=range(13),
)
def test_odd_bytes_are_refused_in_one_line(
    name: str, data: bytes, stage: Path, tmp_path: Path
) -> None:
    with home_in(stage / "home"):
        check(name, data, tmp_path)
