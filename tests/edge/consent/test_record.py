from __future__ import annotations

import datetime
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.consent.canonical import canonical_bytes
from edge.consent.operator import operator_key
from edge.consent.record import (
    Consent,
    load_consent,
    new_consent,
    parse_consent,
    photo_hash,
    save_consent,
)
from edge.consent.signing import public_hex, sign_record
from edge.consent.terms import Attestation, Terms
from edge.errors import ConsentError, MediaError

ConsentMaker = Callable[..., Consent]
FORM = "cd" * 32


def _resigned(record: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Sign an edited record anew, as somebody with the key could."""
    body = {name: value for name, value in record.items() if name != "signature"}
    return canonical_bytes({**body, "signature": sign_record(body, key)})


def test_a_consent_survives_its_file(make_consent: ConsentMaker, tmp_path: Path) -> None:
    consent = make_consent(
        purposes=["art", "film"], targets=["synthetic", "my film"], granted_by="Agency"
    )
    save_consent(consent, tmp_path / "c.json")
    assert load_consent(tmp_path / "c.json") == consent
    assert consent.purposes == ("film", "art")
    assert consent.targets == ("synthetic", "my film")
    assert (consent.subject, consent.granted_by) == ("Alice", "Agency")
    assert consent.not_after - consent.not_before == datetime.timedelta(days=365)
    assert stat.S_IMODE((tmp_path / "c.json").stat().st_mode) == 0o600


def test_pictures_are_named_by_salted_hash_only(
    make_consent: ConsentMaker, photos: list[Path], tmp_path: Path
) -> None:
    one, two = make_consent(), make_consent()
    assert one.photo_salt != two.photo_salt
    assert set(one.photo_hashes).isdisjoint(two.photo_hashes)
    assert all(one.covers_photo(photo) for photo in photos)
    other = tmp_path / "other.jpg"
    other.write_bytes(b"another picture")
    assert not one.covers_photo(other)
    assert str(photos[0].name) not in json.dumps(one.to_dict())


@pytest.mark.parametrize(("content", "message"), [(None, "no picture"), (b"", "empty")])
def test_a_missing_or_empty_picture_is_said(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "p.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=message):
        photo_hash(path, "00" * 32)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"adult": False}, "under 18"),
        ({"intimate": True}, "intimate"),
        ({"purposes": []}, "no purpose"),
        ({"media": []}, "no medium"),
        ({"targets": ["a note"]}, "permit nothing"),
        ({"subject": "  "}, "empty"),
        ({"subject": "a\u202eb"}, "printed"),
        ({"subject": "nobody"}, "synthetic"),
        ({"claim": "synthetic"}, "nobody"),
        ({"claim": "agent-attested"}, "witness"),
        (
            {"not_after": datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)},
            "ends before",
        ),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    make_consent: ConsentMaker, terms: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConsentError, match=message):
        make_consent(**terms)


def test_a_consent_needs_a_picture() -> None:
    terms = Terms(subject="Alice", purposes=["film"], adult=True, intimate=False)
    with pytest.raises(ConsentError, match="--photos"):
        new_consent(terms, [], operator_key())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["subject"], "Bob", "changed"),
        (["permits", "purposes"], ["film", "game"], "changed"),
        (["not_after"], "2099-01-01T00:00:00Z", "changed"),
        (["photos", "sha256"], ["00" * 32], "changed"),
        (["assurance", "level"], "trusted-issuer", "changed"),
        (["issuer", "public_key"], "00" * 32, "changed"),
        (["statements", "adult"], False, "under 18"),
        (["statements", "intimate_use"], True, "intimate"),
        (["statements", "adult"], 1, "neither true nor false"),
        (["permits", "more"], [], "not a known field"),
        (["more"], 1, "not a known field"),
        (["id"], "1", "UUID"),
        (["schema"], "edge-swap/consent-2", "not one of"),
        (["photos", "sha256"], [], "no source pictures"),
        (["permits", "media"], ["hologram"], "hologram"),
    ],
)
def test_an_edited_consent_is_refused(
    make_consent: ConsentMaker, path: list[str], value: object, message: str
) -> None:
    record: Any = make_consent().to_dict()
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ConsentError, match=message):
        parse_consent(canonical_bytes(record), "c.json")


@pytest.mark.parametrize(
    ("statement", "value", "message"),
    [("adult", False, "under 18"), ("intimate_use", True, "intimate")],
)
def test_the_forbidden_is_refused_even_when_signed(
    make_consent: ConsentMaker, statement: str, value: bool, message: str
) -> None:
    record: Any = make_consent().to_dict()
    record["statements"][statement] = value
    with pytest.raises(ConsentError, match=message):
        parse_consent(_resigned(record, operator_key()), "c.json")


def test_a_stranger_cannot_sign_in_the_issuers_name(make_consent: ConsentMaker) -> None:
    record: Any = make_consent().to_dict()
    record["subject"] = "Bob"
    with pytest.raises(ConsentError, match="changed"):
        parse_consent(_resigned(record, Ed25519PrivateKey.generate()), "c.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_no_byte_of_a_consent_can_be_changed(
    make_consent: ConsentMaker, data: st.DataObject
) -> None:
    consent = make_consent()
    whole = canonical_bytes(consent.to_dict())
    place = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(whole)
    changed[place] ^= flip
    try:
        found = parse_consent(bytes(changed), "c.json")
    except ConsentError:
        return
    assert found == consent  # another spelling of the same record


def test_a_witness_signs_with_a_key_of_their_own(make_consent: ConsentMaker) -> None:
    key = Ed25519PrivateKey.generate()
    consent = make_consent(claim="agent-attested", attestation=Attestation("Eve", key, FORM))
    assert consent.witness is not None
    assert (consent.witness.name, consent.witness.public_key) == ("Eve", public_hex(key))
    assert consent.witness.form_sha256 == FORM


def test_the_signer_is_no_witness(make_consent: ConsentMaker) -> None:
    attestation = Attestation("Eve", operator_key(), FORM)
    with pytest.raises(ConsentError, match="key of its own"):
        make_consent(claim="agent-attested", attestation=attestation)


def test_the_operator_cannot_edit_what_was_witnessed(make_consent: ConsentMaker) -> None:
    attestation = Attestation("Eve", Ed25519PrivateKey.generate(), FORM)
    record: Any = make_consent(claim="agent-attested", attestation=attestation).to_dict()
    record["permits"]["purposes"] = ["game"]
    with pytest.raises(ConsentError, match="witness's signature"):
        parse_consent(_resigned(record, operator_key()), "c.json")
