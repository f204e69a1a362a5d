from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
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


GOOD = implicit.ImplicitLabel("1", "studio-7", "urn:uuid:1", "", "studio-7", "urn:uuid:1", "")


def test_a_good_label_has_no_flaws() -> None:
    assert implicit.flaws(GOOD) == ()
    assert implicit.parse_implicit(implicit.as_json(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Label", "4", "not 1, 2 or 3"),
        ("Label", "", "not 1, 2 or 3"),
        ("ContentProducer", "", "is empty"),
        ("ProduceID", "", "is empty"),
        ("ContentPropagator", "", "is empty"),
        ("PropagateID", "", "is empty"),
        ("ContentProducer", "\u5de5\u4f5c\u5ba4", "printable ASCII"),
        ("ProduceID", "a b", "printable ASCII"),
        ("ReservedCode1", 'a"b', "printable ASCII"),
        ("ReservedCode2", "a\\b", "printable ASCII"),
        ("PropagateID", "a\x1b[2J", "printable ASCII"),
    ],
)
def test_flaws_name_the_field(field: str, value: str, words: str) -> None:
    (found,) = implicit.flaws(dataclasses.replace(GOOD, **{field: value}))
    assert found.startswith(field)
    assert words in found


def test_a_record_that_would_make_a_bad_label_is_refused(record: SwapRecord) -> None:
    with pytest.raises(ProvenanceError, match="ProduceID"):
        implicit.implicit_json(dataclasses.replace(record, output_id=""))


def test_differences_name_the_fields() -> None:
    signed = dataclasses.asdict(GOOD)
    assert implicit.differences(dict(signed), signed) == ()
    for name in FIELDS:
        assert implicit.differences({**signed, name: "other"}, signed) == (name,)


def _shown(*command: str) -> dict[str, object]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here: apt install libimage-exiftool-perl ffmpeg")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    content: dict[str, object] = found[0] if isinstance(found, list) else found["format"]["tags"]
    return content


# exiftool spells the names of namespaces that it does not know in its own way.
@pytest.mark.parametrize(
    ("suffix", "place"),
    [
        ("jpg", "XMP-TC260:Aigc"),
        ("png", "XMP-TC260:Aigc"),
        ("webp", "XMP-TC260:Aigc"),
        ("mp4", "Keys:AIGC"),
    ],
)
def test_exiftool_reads_it(suffix: str, place: str, signed: Maker, record: SwapRecord) -> None:
    content = _shown("exiftool", "-json", "-G1", "-a", str(signed(suffix)))
    label = json.loads(str(content[place]))
    assert label == dataclasses.asdict(implicit.implicit_label(record))
    assert list(label) == FIELDS


def test_ffprobe_reads_it(signed: Maker, record: SwapRecord) -> None:
    content = _shown("ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "json",
                     str(signed("mp4")))  # fmt: skip
    label = json.loads(str(content[implicit.KEY]))
    assert label == dataclasses.asdict(implicit.implicit_label(record))
    assert list(label) == FIELDS
