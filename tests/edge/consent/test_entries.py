from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.consent.canonical import canonical_bytes, parse_object
from edge.consent.entries import path_fields, path_of, refusal_fields, short_text
from edge.errors import ConsentError


@given(st.binary(min_size=1, max_size=30).filter(lambda b: b"\0" not in b and b"/" not in b))
def test_every_path_is_read_back_exactly(name: bytes) -> None:
    path = Path(os.path.abspath(Path("/data") / os.fsdecode(name)))
    assert path_of(parse_object(canonical_bytes(path_fields(path)))) == path


@pytest.mark.parametrize("exact", ["zz", "0", "00ff0", 7, None])
def test_a_path_that_somebody_edited_is_no_crash(exact: object) -> None:
    assert path_of({"path": "/data/a", "path_bytes": exact}) == Path("/data/a")


@pytest.mark.parametrize("text", ["x" * 5000, "\udcff", "e\u0301", ""])
def test_every_text_fits(text: str) -> None:
    assert len(short_text(text)) <= 1000
    canonical_bytes(short_text(text))


def test_a_refusal_says_what_was_asked() -> None:
    fields = refusal_fields(ConsentError("no"), {"purpose": "film"})
    assert fields == {"error": "ConsentError", "reason": "no", "asked": {"purpose": "film"}}
