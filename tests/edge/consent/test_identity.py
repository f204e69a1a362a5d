from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import resources
from edge.consent.canonical import canonical_bytes
from edge.consent.identity import (
    Embedding,
    Identity,
    load_identity,
    new_identity,
    parse_identity,
    save_identity,
)
from edge.consent.operator import operator_key, operator_key_path
from edge.consent.record import Consent
from edge.consent.signing import public_hex, sign_record
from edge.errors import ConsentError, IdentityError

MODEL = "ab" * 32  # as in conftest
ConsentMaker = Callable[..., Consent]
IdentityMaker = Callable[..., Identity]


def test_an_identity_survives_its_file(make_identity: IdentityMaker, tmp_path: Path) -> None:
    identity = make_identity()
    path = tmp_path / "alice.identity"
    save_identity(identity, path)
    found = load_identity(path)
    assert found.to_dict() == identity.to_dict()
    np.testing.assert_array_equal(
        found.embeddings["ref_embedder"], identity.embeddings["ref_embedder"]
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_verifies_from_its_own_content(make_identity: IdentityMaker, tmp_path: Path) -> None:
    path = tmp_path / "alice.identity"
    save_identity(make_identity(), path)
    operator_key_path().unlink()  # another device
    assert load_identity(path).subject == "Alice"


def test_nobody_writes_to_an_embedding(make_identity: IdentityMaker) -> None:
    vector = make_identity().embedding_for("ref_embedder", MODEL)
    assert vector.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


def test_another_recogniser_is_refused_by_both_names(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    with pytest.raises(IdentityError, match=r"ref_embedder.*needs arcface"):
        identity.embedding_for("arcface", MODEL)
    with pytest.raises(IdentityError, match=r"another edition of ref_embedder.*abab.*cdcd"):
        identity.embedding_for("ref_embedder", "cd" * 32)


def test_a_commitment_says_nothing_without_the_salt(make_identity: IdentityMaker) -> None:
    consent = make_identity().consent
    one, two = make_identity(consent), make_identity(consent)
    assert one.commitment != two.commitment


def _edited(identity: Identity, edit: Callable[[Any], None]) -> Any:
    record: Any = json.loads(json.dumps(identity.to_dict()))
    edit(record)
    return record


def _resigned(record: Any, key: Ed25519PrivateKey) -> bytes:
    del record["signature"]
    return canonical_bytes({**record, "signature": sign_record(record, key)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_no_byte_of_an_identity_can_be_changed(
    make_identity: IdentityMaker, data: st.DataObject
) -> None:
    whole = canonical_bytes(make_identity().to_dict())
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_identity(bytes(changed), "x.identity")
    except ConsentError:
        return
    assert canonical_bytes(found.to_dict()) == whole  # another spelling of the same record


def test_every_field_is_covered(make_identity: IdentityMaker) -> None:
    identity = make_identity()

    def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        if not isinstance(value, dict):
            return [path]
        return [found for key in value for found in places(value[key], (*path, key))]

    for path in places(identity.to_dict()):
        record = _edited(identity, lambda _: None)
        place = record
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        place[path[-1]] = not old if isinstance(old, bool) else "x" if old != "x" else "y"
        with pytest.raises(ConsentError):
            parse_identity(canonical_bytes(record), "x.identity")


def test_swapped_embeddings_are_noticed(make_identity: IdentityMaker) -> None:
    identity = make_identity()
    other = np.zeros(512, np.float32)
    other[0] = 1
    stranger = new_identity(
        identity.consent, {"ref_embedder": Embedding(MODEL, other)}, operator_key()
    )

    def edit(record: Any) -> None:
        record["embeddings"] = stranger.to_dict()["embeddings"]

    with pytest.raises(IdentityError, match="changed"):
        parse_identity(canonical_bytes(_edited(identity, edit)), "x.identity")
    # With the operator's key the signature can be made to fit; the commitment still does not.
    with pytest.raises(IdentityError, match="changed"):
        parse_identity(_resigned(_edited(identity, edit), operator_key()), "x.identity")


def test_another_persons_consent_does_not_fit(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    def edit(record: Any) -> None:
        record["consent"] = make_consent(subject="Bob").to_dict()

    record = _edited(make_identity(), edit)
    with pytest.raises(IdentityError, match="another person"):
        parse_identity(_resigned(record, operator_key()), "x.identity")


def test_only_a_key_that_the_consent_names_enrols(
    make_identity: IdentityMaker, make_consent: ConsentMaker
) -> None:
    issuer, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    with pytest.raises(IdentityError, match="does not name"):
        make_identity(make_consent(), thief)
    with pytest.raises(IdentityError, match="does not name"):
        make_identity(make_consent(key=issuer), operator_key())
    named = make_consent(key=issuer, enrollers=(public_hex(operator_key()),))
    assert make_identity(named, operator_key()).consent == named

    def edit(record: Any) -> None:
        record["enroller"]["public_key"] = public_hex(thief)

    with pytest.raises(IdentityError, match="does not name"):
        parse_identity(_resigned(_edited(make_identity(), edit), thief), "x.identity")


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(512, np.float32), "unit length"),
        (np.full(512, np.nan, np.float32), "unit length"),
        (np.ones(512, np.float32), "unit length"),
        (np.full(512, 3e38, np.float32), "unit length"),
        (np.zeros(0, np.float32), "0 numbers"),
    ],
)
def test_what_is_no_unit_vector_is_refused(
    make_consent: ConsentMaker, vector: Any, message: str
) -> None:
    with pytest.raises(IdentityError, match=message):
        new_identity(make_consent(), {"r": Embedding(MODEL, vector)}, operator_key())


def test_an_identity_holds_an_embedding(make_consent: ConsentMaker) -> None:
    with pytest.raises(IdentityError, match="no embedding"):
        new_identity(make_consent(), {}, operator_key())


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o640, 0o444])
def test_a_file_that_others_may_read_or_write_to_is_refused(
    make_identity: IdentityMaker, tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "alice.identity"
    save_identity(make_identity(), path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        load_identity(path)
    path.chmod(0o400)  # as in a read-only installation
    load_identity(path)


def test_shipped_identities_have_the_installers_permissions(
    make_identity: IdentityMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "samples_dir", lambda: tmp_path)
    path = tmp_path / "demo.identity"
    save_identity(make_identity(), path)
    path.chmod(0o664)
    load_identity(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x89PNG\r\n", b"[1]"])
def test_what_is_no_identity_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.identity"
    path.write_bytes(content)
    with pytest.raises(IdentityError, match="no identity"):
        load_identity(path)
    with pytest.raises(IdentityError, match="check the path"):
        load_identity(tmp_path / "none")
