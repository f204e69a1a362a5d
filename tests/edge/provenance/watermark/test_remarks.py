from __future__ import annotations

import pytest

from edge.provenance.watermark.detect import Found
from edge.provenance.watermark.files import Look
from edge.provenance.watermark.remarks import agrees, watermark_remarks

FOUND = Found("0" * 16, 0.9, 1e-30, 1.0, 0.0, mirrored=False)


def test_a_second_mark_is_the_targets() -> None:
    target = Found("1" * 16, 0.95, 1e-40, 1.0, 0.0, mirrored=False)
    look = Look(target, others=(FOUND,)).naming(FOUND.id)
    assert look.found == FOUND
    assert agrees(look, FOUND.id) is True
    (remark,) = watermark_remarks(look, FOUND.id)
    assert remark.startswith("the pixels also carry the watermark 1111111111111111")
    assert Look(target).naming(None).found == target
    assert Look(None).naming(FOUND.id) == Look(None)


@pytest.mark.parametrize(
    ("look", "named", "same", "words"),
    [
        (Look(FOUND), "0" * 16, True, None),
        (Look(FOUND), "1" * 16, False, "another watermark than 1111111111111111"),
        (Look(FOUND), None, None, "alone proves nothing"),
        (Look(None), "1" * 16, None, "was not found in the pixels"),
        (Look(None), None, None, None),
        (Look(None, "a.jpg: is damaged"), "1" * 16, None, "could be looked for: a.jpg: is damaged"),
    ],
)
def test_what_is_said(look: Look, named: str | None, same: bool | None, words: str | None) -> None:
    assert agrees(look, named) is same
    remarks = watermark_remarks(look, named)
    assert len(remarks) == (words is not None)
    assert words is None or words in remarks[0]
