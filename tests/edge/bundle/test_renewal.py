"""Renewing: a new seal for what is still whole, still consented to, and by somebody trusted."""

from __future__ import annotations

import datetime
import shutil
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import renewal
from edge.bundle.archive import pack
from edge.bundle.builders import add_builder
from edge.bundle.checking import read_papers
from edge.bundle.holders import FolderHolder
from edge.bundle.opening import open_bundle
from edge.bundle.renewal import renew
from edge.consent.canonical import utc_now
from edge.consent.erase import derivatives_of
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.signing import public_hex
from edge.consent.trust import load_trust
from edge.errors import BundleError, ConsentError
from tests.bundles import Made

DAY = datetime.timedelta(days=1)


def test_an_expired_bundle_lives_again(made: Made) -> None:
    made.seal(now=utc_now() - 100 * DAY)
    with pytest.raises(BundleError, match="expired"):
        open_bundle(made.folder)
    seal = renew(made.folder)
    assert open_bundle(made.folder).seal == seal
    assert seal.expires - seal.signed == 90 * DAY
    event = Ledger().entries()[-1].fields
    assert event["event"] == "bundle"
    assert event["details"] == {
        "step": "renewed",
        "bundle": seal.bundle,
        "key": public_hex(operator_key()),
    }


def test_it_never_outlives_the_consent(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    end = made.stage.consent.not_after
    monkeypatch.setattr("edge.bundle.seal.utc_now", lambda: end - 5 * DAY)
    assert renew(made.folder).expires == end
    monkeypatch.setattr(renewal, "utc_now", lambda: end + DAY)
    with pytest.raises(ConsentError, match="expired on"):
        renew(made.folder)


def test_a_zip_file(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "alice.zip"
    holder = FolderHolder(made.folder)
    seal = (made.folder / "bundle.sig").read_bytes()
    pack(holder, read_papers(holder).contents, path, seal=seal, mode=0o600)
    key = Ed25519PrivateKey.generate()
    renewed = renew(path, key)
    assert renewed.key == public_hex(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    add_builder(public_hex(key), "workshop")
    assert open_bundle(path).signer == "workshop"
    assert path in derivatives_of(made.stage.identity.commitment)


def test_rights_stay_as_they_were(made: Made) -> None:
    (made.folder / "bundle.sig").chmod(0o644)
    renew(made.folder)
    assert stat.S_IMODE((made.folder / "bundle.sig").stat().st_mode) == 0o644


def test_who_may_not_be_renewed(made: Made, tmp_path: Path) -> None:
    stranger = Ed25519PrivateKey.generate()
    before = made.seal(stranger).to_bytes()
    with pytest.raises(BundleError, match="does not trust"):
        renew(made.folder)
    assert (made.folder / "bundle.sig").read_bytes() == before
    made.seal()
    changed = tmp_path / "changed"
    shutil.copytree(made.folder, changed)
    (changed / "licences" / "NOTICE.txt").write_text("x")
    with pytest.raises(BundleError, match="was changed"):
        renew(changed)
    install_revocation(new_revocation(made.stage.consent, operator_key(), load_trust(), "x"))
    with pytest.raises(ConsentError, match="was revoked"):
        renew(made.folder)
    refused = [entry for entry in Ledger().entries() if entry.kind == "refusal"]
    assert len(refused) == 3
