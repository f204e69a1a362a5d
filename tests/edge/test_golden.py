"""Golden vectors: the sketch, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle.contents import Contents, parse_contents
from edge.errors import BundleError
from edge.golden import BUCKETS, CONTENTS, read_golden, sketch, sketch_psnr
from edge.trials import psnr
from tests.bundles import Made, bundle
from tests.golden import add_golden

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "golden-1.md"


def test_the_sketch_is_that_of_the_specification() -> None:
    picture = (np.arange(192) % 251).astype(np.uint8).reshape(8, 8, 3)
    digest = hashlib.sha256(sketch(picture).astype("<i4").tobytes()).hexdigest()
    assert digest in SPEC.read_text(encoding="utf-8")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 60))
def test_sketches_are_as_far_from_each_other_as_the_pictures(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (96, 96, 3), np.uint8)
    other = np.clip(one + rng.normal(0, noise, one.shape), 0, 255).astype(np.uint8)
    told = sketch_psnr(sketch(one), sketch(other), 96)
    assert told == pytest.approx(psnr(one, other), abs=1.0)
    assert sketch_psnr(sketch(one), sketch(one), 96) == 99


@pytest.fixture
def made(edge_home: Path, tmp_path: Path) -> Made:
    found = bundle(edge_home, tmp_path)
    add_golden(found)
    return found


def _contents(made: Made) -> Contents:
    made.seal()
    return parse_contents((made.folder / "bundle.toml").read_bytes(), "it")


def test_what_is_written_is_read(made: Made) -> None:
    golden = read_golden(made.folder, _contents(made), "it")
    assert [vector.crop.shape for vector in golden.vectors] == [(32, 32, 3)] * 2
    assert golden.vectors[0].source is None
    assert golden.vectors[0].models["tiny_baked"].sums.shape == (BUCKETS,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "edge-swap/golden-2"}, "its format is not"),
        ({"buckets": 4}, "its format is not"),
        ({"vectors": []}, "1 to 16"),
        ({"vectors": 3}, "1 to 16"),
        ({"kernels": None}, "damaged"),
        ({"crop": "../../etc/passwd"}, "no file of it"),
        ({"crop": "cards/tiny_baked.toml"}, "is no crop"),
        ({"source": "golden/nothing.f32"}, "no file of it"),
        ({"source": "golden/vectors.json"}, "damaged"),
        ({"float": {"sha256": "", "sums": [1]}}, "whole numbers"),
        ({"float": {"sha256": "", "sums": [1.5] * BUCKETS}}, "whole numbers"),
        ({"models": []}, "damaged"),
    ],
)
def test_damaged_ones(made: Made, change: dict[str, object], words: str) -> None:
    path = made.folder / CONTENTS
    values = json.loads(path.read_text(encoding="utf-8"))
    for key, value in change.items():
        (values if key in values else values["vectors"][0])[key] = value
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(BundleError, match=words):
        read_golden(made.folder, _contents(made), "it")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, "null"])
def test_what_is_no_json(made: Made, text: str) -> None:
    (made.folder / CONTENTS).write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match="damaged"):
        read_golden(made.folder, _contents(made), "it")


def test_a_bundle_without_any(edge_home: Path, tmp_path: Path) -> None:
    old = bundle(edge_home, tmp_path)
    with pytest.raises(BundleError, match="holds no golden vectors: build it again"):
        read_golden(old.folder, _contents(old), "it")
