from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.consent.identity import Identity, save_identity
from edge.consent.record import Consent, save_consent
from edge.consent.store import find_consent, keep_consent
from edge.errors import ConsentError

UNKNOWN = "6f1c3a52-90d4-4c47-8f0e-2d6b6f0f7a11"


def test_a_consent_is_found_by_file_identity_and_id(
    make_consent: Callable[..., Consent], make_identity: Callable[..., Identity], tmp_path: Path
) -> None:
    consent = make_consent()
    save_consent(consent, tmp_path / "c.json")
    save_identity(make_identity(consent), tmp_path / "a.identity")
    keep_consent(consent)
    keep_consent(consent)
    for what in (str(tmp_path / "c.json"), str(tmp_path / "a.identity"), consent.id):
        assert find_consent(what) == consent


@pytest.mark.parametrize(
    ("what", "message"), [("c.json", "no consent at"), (UNKNOWN, "no consent with the id")]
)
def test_what_is_not_there_is_said(what: str, message: str) -> None:
    with pytest.raises(ConsentError, match=message):
        find_consent(what)


def test_what_is_no_consent_is_said(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("no")
    with pytest.raises(ConsentError, match="no consent: it is not JSON"):
        find_consent(str(path))
