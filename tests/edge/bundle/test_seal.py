"""bundle.sig: who answers for a bundle, and until when."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.seal import LIFE, SKEW, Seal, check_dates, check_seal, new_seal, parse_seal
from edge.consent.signing import sign_record
from edge.errors import BundleError

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
SECOND = datetime.timedelta(seconds=1)
BUNDLE = "ab" * 32
KEY = Ed25519PrivateKey.generate()


def seal(**more: Any) -> Seal:
    return new_seal(BUNDLE, KEY, **{"not_after": None, "now": NOW, **more})


def test_it_reads_back() -> None:
    made = seal()
    assert parse_seal(made.to_bytes(), "alice") == made
    check_seal(made, BUNDLE, "alice")


def test_the_longest_life() -> None:
    assert seal().expires == NOW + LIFE
    assert seal(not_after=NOW + 500 * LIFE).expires == NOW + LIFE
    assert seal(not_after=NOW + SECOND).expires == NOW + SECOND


def test_whoever_signs_more_is_refused() -> None:
    for end in (NOW + LIFE + SECOND, NOW - SECOND):
        draft = replace(seal(), expires=end)
        forged = replace(draft, signature=sign_record(draft.statement(), KEY))
        with pytest.raises(BundleError, match="more than 90 days, or less than none"):
            check_seal(forged, BUNDLE, "alice")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bundle": "cd" * 32}, "bundle.toml was changed"),
        ({"signed": NOW + SECOND}, "does not fit"),
        ({"expires": NOW + SECOND}, "does not fit"),
        ({"key": "ef" * 32}, "does not fit"),
        ({"signature": "12" * 64}, "does not fit"),
    ],
)
def test_a_seal_that_was_changed(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        check_seal(replace(seal(), **change), BUNDLE, "alice")


def test_its_dates() -> None:
    made = seal()
    for moment in (NOW - SKEW, NOW, NOW + LIFE):
        check_dates(made, "alice", moment)
    with pytest.raises(BundleError, match="clock of this device"):
        check_dates(made, "alice", NOW - SKEW - SECOND)
    with pytest.raises(BundleError, match=r"expired on 2027-03-01T00:00:00Z.*bundle renew alice"):
        check_dates(made, "alice", NOW + LIFE + SECOND)


GOOD = json.loads(seal().to_bytes())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({**GOOD, "schema": "edge-swap/consent-1"}).encode(),
        json.dumps({**GOOD, "expires": "tomorrow"}).encode(),
        json.dumps({**GOOD, "key": GOOD["key"].upper() + "A"}).encode(),
        json.dumps(GOOD).replace('"key"', '"key": "x", "key"').encode(),
        b"[" * 10_000,
    ],
)
def test_what_is_no_seal(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"bundle\.sig is no seal"):
        parse_seal(data, "alice")
