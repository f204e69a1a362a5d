"""The form that a visitor fills in, and an attendant attests.

The attendant has a key with a passphrase, and types it for every visitor: no consent comes about
without a person who was there. What was shown and answered is kept; its hash is in the consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import resources
from edge.consent.canonical import canonical_bytes, sha256_hex, utc_now, utc_text
from edge.consent.fields import check_text
from edge.consent.storage import make_private_dir, write_private
from edge.consent.terms import refuse_forbidden
from edge.errors import UsageError

SCHEMA = "edge-swap/kiosk-form-1"
MAX_NAME = 80
MAX_PASSPHRASE = 200


@dataclass(frozen=True, slots=True)
class Answers:
    """A form, filled in.

    Attributes:
        subject: The name or pseudonym that the visitor gives.
        passphrase: Of the attendant's key; kept nowhere.
    """

    subject: str
    passphrase: str


def read_answers(values: Mapping[str, Any]) -> Answers:
    """Read what the page sent.

    Raises:
        UsageError: Something is missing.
        ConsentError: The visitor is under 18, or the use is intimate.
    """
    subject, passphrase = values.get("subject"), values.get("passphrase")
    if not isinstance(subject, str) or not 0 < len(subject.strip()) <= MAX_NAME:
        raise UsageError(f"请填写称呼 · give a name, of up to {MAX_NAME} characters")
    if not isinstance(passphrase, str) or not 0 < len(passphrase) <= MAX_PASSPHRASE:
        raise UsageError("请见证人输入口令 · the attendant's passphrase is missing")
    if not _is_text(passphrase):
        raise UsageError("口令不是文字 · the attendant's passphrase is no text")
    if values.get("agree") is not True:
        raise UsageError("没有同意就不会开始 · nothing begins without the consent")
    refuse_forbidden(
        adult=values.get("adult") is True,
        intimate=values.get("mine") is not True,
    )
    name = " ".join(subject.split())
    try:
        check_text(name, "name")
    except ValueError as error:
        raise UsageError(f"称呼不能使用 · this name cannot be used: {error}") from error
    return Answers(name, passphrase)


def _is_text(value: str) -> bool:
    """Return whether this is text: JSON can name halves of characters, which are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def keep_form(page: bytes, *, subject: str, purpose: str, minutes: float, agent: str) -> str:
    """Keep what was shown and answered; return its SHA-256, which the attendant signs.

    Args:
        page: The page that the form was on.
        subject: The visitor's name or pseudonym.
        purpose: What the swap is for.
        minutes: How long the visit may last.
        agent: Who attended.

    Raises:
        OutputError: It cannot be written.
    """
    record: dict[str, object] = {
        "schema": SCHEMA,
        "time": utc_text(utc_now()),
        "page_sha256": sha256_hex(page),
        "subject": subject,
        "purpose": purpose,
        "seconds": round(minutes * 60),
        "attended_by": agent,
        "answers": {"adult": True, "own_face_not_intimate": True, "agreed_separately": True},
    }
    data = canonical_bytes(record)
    digest = sha256_hex(data)
    make_private_dir(forms_dir())
    write_private(forms_dir() / f"{digest}.json", data, overwrite=True)
    return digest


def forms_dir() -> Path:
    """Return where forms are kept; it may not exist."""
    return resources.data_dir() / "forms"
