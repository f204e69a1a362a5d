from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.consent.erase import register_derivative
from edge.consent.identity import Embedding, Identity, new_identity, save_identity
from edge.consent.operator import operator_key
from edge.consent.record import new_consent
from edge.consent.terms import Terms


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """An identity in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(b"picture")
    terms = Terms(subject="Alice", purposes=["film"], adult=True, intimate=False)
    consent = new_consent(terms, [Path("a.jpg")], operator_key())
    vector = np.full(512, 512**-0.5, np.float32)
    made = new_identity(consent, {"ref_embedder": Embedding("ab" * 32, vector)}, operator_key())
    save_identity(made, "alice.identity")
    return made


def test_show(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identity", "show", "alice.identity"]) == 0
    text = capsys.readouterr().out
    assert "identity: Alice" in text
    assert "assurance: self-attested" in text
    assert main(["identity", "show", "alice.identity", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["commitment"] == identity.commitment
    assert facts["recognisers"] == {"ref_embedder": "ab" * 32}
    for secret in (identity.salt, identity.consent.photo_salt):
        assert secret not in text + json.dumps(facts)


def test_erase(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bundle").mkdir()
    register_derivative(identity.commitment, Path("bundle"))
    assert main(["identity", "erase", "alice.identity"]) == 0
    assert not Path("alice.identity").exists()
    assert not Path("bundle").exists()
    capsys.readouterr()
    assert main(["ledger", "show", "--json"]) == 0
    assert [entry["event"] for entry in json.loads(capsys.readouterr().out)] == ["erase", "erase"]
    assert main(["identity", "erase", "alice.identity"]) == 2


def test_what_stays_is_an_error(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bundle").write_bytes(b"x")
    register_derivative(identity.commitment, Path("bundle"))
    Path("other").write_bytes(b"y")
    Path("other").replace("bundle")
    assert main(["identity", "erase", "alice.identity"]) == 2
    assert "not everything could be erased" in capsys.readouterr().err


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "status"), [("no\n", 1), ("\n", 1), ("yes\n", 0)])
def test_a_person_is_asked(
    identity: Identity, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert main(["identity", "erase", "alice.identity"]) == status
    assert Path("alice.identity").exists() == (status == 1)
