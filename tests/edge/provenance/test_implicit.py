from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import MediaError, ProvenanceError
from edge.provenance import implicit
from edge.provenance.producer import content_producer
from edge.records import SwapRecord

Maker = Callable[[str], Path]

FIELDS = [
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
]


def test_seven_fields_in_printable_ascii(record: SwapRecord) -> None:
    text = implicit.implicit_json(record)
    assert text.isascii()
    assert text.isprintable()
    content = json.loads(text)
    assert list(content) == FIELDS
    assert all(isinstance(value, str) for value in content.values())
    assert content["Label"] == "1"
    assert content["ProduceID"] == content["PropagateID"] == record.output_id
    assert content["ContentProducer"] == content["ContentPropagator"] == content_producer()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "mp4"])
def test_written_and_read_back(suffix: str, plain: Maker, record: SwapRecord) -> None:
    path = plain(suffix)
    label = implicit.read_implicit(path)
    assert label is not None
    assert label.ProduceID == record.output_id
    implicit.require_implicit(path, implicit.implicit_json(record))
    with pytest.raises(ProvenanceError, match="implicit label"):
        implicit.require_implicit(path, "{}")


def test_the_name_does_not_matter(plain: Maker, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(plain("png").read_bytes())
    assert implicit.read_implicit(path) is not None


def test_no_label(target: Path, tmp_path: Path) -> None:
    assert implicit.read_implicit(target) is None
    text = tmp_path / "a.txt"
    text.write_text("hello")
    assert implicit.read_implicit(text) is None


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read"):
        implicit.read_implicit(tmp_path / "none.jpg")


def test_fields_of_others_may_be_missing() -> None:
    label = implicit.parse_implicit('{"Label": 1, "Other": []}')
    assert label.Label == "1"
    assert label.ContentProducer == ""


@pytest.mark.parametrize(
    "text", ["", "[]", '{"Label": []}', '{"Label": "' + "1" * 2000 + '"}', "[" * 100_000]
)
def test_malformed_labels(text: str) -> None:
    with pytest.raises(MediaError, match="implicit label"):
        implicit.parse_implicit(text)
