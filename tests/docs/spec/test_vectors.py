"""The vectors of docs/spec: an independent reader and the product come to what they say."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import opening
from edge.bundle.builders import add_builder
from edge.bundle.opening import open_bundle
from edge.consent.canonical import canonical_bytes
from edge.consent.revocation import install_revocation, parse_revocation
from edge.errors import EdgeError
from tests.docs.spec import reader
from tests.docs.spec.make_vectors import VECTORS
from tests.scene import target

TABLE: dict[str, Any] = json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in TABLE["cases"]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The vectors' bundle, unpacked."""
    with zipfile.ZipFile(VECTORS / TABLE["bundle"]) as archive:
        archive.extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def changed(place: Path, change: dict[str, Any]) -> Path:
    for path, offset in change.get("flip", {}).items():
        data = bytearray((place / path).read_bytes())
        data[offset] ^= 1
        (place / path).write_bytes(data)
    for path, text in change.get("replace", {}).items():
        (place / path).write_text(text, encoding="utf-8")
    for path in change.get("remove", []):
        (place / path).unlink()
    return place


@pytest.mark.parametrize("name", CASES)
def test_an_independent_reader_agrees(name: str, place: Path) -> None:
    case = CASES[name]
    device = reader.Device(
        now=reader.time_of(case["now"]),
        trusted=case["trusted"],
        architecture=case["architecture"],
        revocations=case["revocations"],
    )
    failed = None
    try:
        reader.check(changed(place, case["change"]), device)
    except reader.Fails as error:
        failed = error.step
    assert failed == case["fails_at"]


@pytest.mark.parametrize("name", CASES)
def test_the_product_agrees(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    for key in case["trusted"]:
        add_builder(key, "of the vectors")
    for record in case["revocations"]:
        install_revocation(parse_revocation(json.dumps(record).encode(), "a vector"))
    now = reader.time_of(case["now"])
    monkeypatch.setattr(opening, "utc_now", lambda: now)
    monkeypatch.setattr("platform.machine", lambda: case["architecture"])
    changed(place, case["change"])
    if case["fails_at"] is None:
        assert open_bundle(place).signer == "of the vectors"
    else:
        with pytest.raises(EdgeError):
            open_bundle(place)


def test_the_zip_file_itself_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["good"]
    now = reader.time_of(case["now"])
    add_builder(case["trusted"][0], "of the vectors")
    monkeypatch.setattr(opening, "utc_now", lambda: now)
    monkeypatch.setattr("edge.consent.permit.utc_now", lambda: now)
    monkeypatch.setattr("platform.machine", lambda: case["architecture"])
    swapper = open_bundle(VECTORS / "bundle.zip").swapper(purpose="film", target_is="synthetic")
    assert len(swapper.swap(target()).faces) == 2


def test_every_step_has_a_vector() -> None:
    assert {case["fails_at"] for case in CASES.values()} >= {None, *range(2, 10)}
    size = sum(path.stat().st_size for path in VECTORS.iterdir())
    assert size < 100_000


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [True, None, -3], "ä": "ö"},
        {"text": 'a"b\\c\n\t\b\f\r\u0001\u001f\u007f/\u2028', "e\u0301": "e\u0301"},
        {"": {}, "nested": {"z": [], "A": {"0": 0}}, "emoji": "\U0001f600", "\uffff": 1},
        [],
        "x",
    ],
)
def test_both_spell_a_record_alike(value: Any) -> None:
    assert reader.canonical(value).encode() == canonical_bytes(value)


def test_the_reader_uses_nothing_of_ours() -> None:
    text = Path(reader.__file__).read_text(encoding="utf-8")
    assert "import edge" not in text
    assert "from edge" not in text
    assert "from tests" not in text
