"""The form: complete, by an adult, not for what is forbidden; and kept, for what was attested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConsentError, EdgeError, UsageError
from edge.live.kiosk.form import forms_dir, keep_form, read_answers
from tests.kiosk import FORM


def test_a_form_that_is_complete() -> None:
    answers = read_answers({**FORM, "subject": "  Guest\t 7 "})
    assert answers.subject == "Guest 7"
    assert answers.passphrase == "tea"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"subject": ""}, UsageError, "give a name"),
        ({"subject": "x" * 81}, UsageError, "give a name"),
        ({"subject": ["x"]}, UsageError, "give a name"),
        ({"subject": "a\u202eb"}, UsageError, "cannot be used"),
        ({"passphrase": ""}, UsageError, "passphrase"),
        ({"passphrase": 7}, UsageError, "passphrase"),
        ({"passphrase": "\ud800"}, UsageError, "no text"),
        ({"agree": False}, UsageError, "consent"),
        ({"agree": "yes"}, UsageError, "consent"),
        ({"adult": False}, ConsentError, "under 18"),
        ({"adult": 1}, ConsentError, "under 18"),
        ({"mine": False}, ConsentError, "intimate"),
    ],
)
def test_a_form_that_is_not(change: dict[str, Any], error: type[EdgeError], said: str) -> None:
    with pytest.raises(error, match=said):
        read_answers({**FORM, **change})


def test_what_was_shown_and_answered_is_kept_under_its_hash(edge_home: Path) -> None:
    digest = keep_form(b"<page>", subject="Guest 7", purpose="art", minutes=5, agent="Ms Li")
    data = (forms_dir() / f"{digest}.json").read_bytes()
    import hashlib

    assert hashlib.sha256(data).hexdigest() == digest
    record = json.loads(data)
    assert record["attended_by"] == "Ms Li"
    assert record["seconds"] == 300
    assert record["page_sha256"] == hashlib.sha256(b"<page>").hexdigest()
    assert b"tea" not in data


def test_the_page_says_it_in_both_languages() -> None:
    from edge.live.view.site import ASSETS

    page = (ASSETS / "page.html").read_text(encoding="utf-8")
    for words in (
        ("用途", "Purpose"),
        ("期限", "End"),
        ("见证人", "Attended by"),
        ("年满十八周岁", "18 or older"),
        ("单独同意", "I consent, separately"),
        ("自动删除", "are erased by the device itself"),
    ):
        assert all(word in page for word in words)
