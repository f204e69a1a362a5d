from __future__ import annotations

import pytest

from edge.consent.chain import Line
from edge.consent.shown import entries_of, open_outputs


def _line(seq: int, kind: str, **fields: object) -> Line:
    return Line(seq, kind, "", fields)


def test_an_output_with_its_state_and_hashes() -> None:
    lines = [
        _line(1, "output", output_sha256="a"),
        _line(2, "output"),
        _line(3, "published", entry=1),
        _line(4, "stamped", entry=1, output_sha256="b"),
    ]
    first, second, stamped = entries_of(lines)
    assert (first.state, first.hashes) == ("published", ("a", "b"))
    assert (second.state, stamped.state) == ("open", "")
    assert list(open_outputs(lines)) == [2]


@pytest.mark.parametrize("entry", [[], {}, ["x"], "1", None])
def test_a_line_about_no_entry(entry: object) -> None:
    """Others write exports, and a line of theirs may say anything."""
    lines = [_line(1, "output"), _line(2, "published", entry=entry, output_sha256="a")]
    (found,) = entries_of(lines)
    assert (found.state, found.hashes) == ("open", ())
    assert list(open_outputs(lines)) == [1]
