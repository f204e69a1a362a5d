from __future__ import annotations

import datetime

import pytest

from edge.consent.canonical import FormError
from edge.consent.terms import age_on, check_targets, refuse_forbidden
from edge.errors import ConsentError


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        ("2008-11-24", "2026-11-24", 18),
        ("2008-11-25", "2026-11-24", 17),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2026-11-24", "2026-11-24", 0),
    ],
)
def test_age(born: str, day: str, age: int) -> None:
    days = (datetime.date.fromisoformat(born), datetime.date.fromisoformat(day))
    assert age_on(*days) == age


@pytest.mark.parametrize(
    ("adult", "intimate", "message"), [(False, False, "under 18"), (True, True, "intimate")]
)
def test_the_forbidden_is_refused(adult: bool, intimate: bool, message: str) -> None:
    with pytest.raises(ConsentError, match=message):
        refuse_forbidden(adult=adult, intimate=intimate)


def test_notes_alone_permit_no_target() -> None:
    check_targets(["my film", "synthetic"])
    with pytest.raises(FormError, match="permit nothing"):
        check_targets(["my film"])
