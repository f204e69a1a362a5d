from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.cli import main
from edge.consent.record import load_consent
from edge.consent.signing import private_pem, public_hex

ANSWERS = ["--adult", "yes", "--intimate", "no"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        Path(name).write_bytes(name.encode() * 50)
    return tmp_path


def _new(*options: str, output: str = "c.json") -> int:
    usual = ["consent", "new", "--photos", "a.jpg", "b.jpg", "-o", output]
    return main([*usual, *options])


def _usual(*options: str) -> int:
    return _new("--subject", "Alice", "--purpose", "film", *ANSWERS, *options)


def _key(path: str) -> str:
    key = Ed25519PrivateKey.generate()
    Path(path).write_bytes(private_pem(key))
    return public_hex(key)


def _shown(capsys: pytest.CaptureFixture[str], what: str = "c.json") -> Any:
    capsys.readouterr()
    assert main(["consent", "show", what, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "purposes",
    [
        ["--purpose", "film", "--purpose", "art"],
        ["--purposes", "film,art"],
        ["--purpose", "film, art"],
        ["--purpose=art", "--purposes=film"],
    ],
)
def test_lists_are_repeated_or_have_commas(purposes: list[str]) -> None:
    assert _new("--subject", "Alice", *purposes, "--media", "picture,video", *ANSWERS) == 0
    consent = load_consent("c.json")
    assert consent.purposes == ("film", "art")
    assert consent.media == ("picture", "video")


def test_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert _usual() == 0
    assert "self-attested consent of Alice" in capsys.readouterr().out
    consent = load_consent("c.json")
    assert consent.media == ("picture", "video", "live")
    assert consent.granted_by == "Alice"
    assert (consent.not_after - consent.not_before).days == 365
    assert len(consent.photo_hashes) == 2


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        (
            ["--from", "2030-01-01", "--to", "2030-01-31"],
            "2030-01-01T00:00:00Z",
            "2030-01-31T23:59:59Z",
        ),
        (["--from", "2030-01-01", "--days", "2"], "2030-01-01T00:00:00Z", "2030-01-03T00:00:00Z"),
        (
            ["--from", "2030-01-01T10:00:00Z", "--to", "2030-01-01T11:00:00Z"],
            "2030-01-01T10:00:00Z",
            "2030-01-01T11:00:00Z",
        ),
    ],
)
def test_validity(
    capsys: pytest.CaptureFixture[str], options: list[str], start: str, end: str
) -> None:
    assert _usual(*options) == 0
    facts = _shown(capsys)
    assert (facts["not_before"], facts["not_after"]) == (start, end)
    assert facts["state"] == "not valid yet"


def test_an_expired_consent_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert _usual("--from", "2020-01-01", "--to", "2020-12-31") == 0
    assert "expired already" in capsys.readouterr().err
    assert _shown(capsys)["state"] == "expired"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--adult", "no", "--intimate", "no"], "under 18"),
        (["--born", "2020-01-01", "--intimate", "no"], "under 18"),
        (["--adult", "yes", "--intimate", "yes"], "intimate or sexual use"),
        (["--adult", "--intimate"], "intimate or sexual use"),
        (["--intimate", "no"], "--adult is missing"),
        (["--adult", "yes"], "--intimate is missing"),
        (["--adult", "maybe", "--intimate", "no"], "yes or no"),
        (["--born", "long ago", "--intimate", "no"], "a day like"),
        (["--born", "2999-01-01", "--intimate", "no"], "future"),
        ([*ANSWERS, "--purpose", "porn"], "no purpose 'porn'; known: film"),
        ([*ANSWERS, "--media", "hologram"], "no medium 'hologram'"),
        ([*ANSWERS, "--targets", "my film"], "permit nothing"),
        ([*ANSWERS, "--days", "0"], "--days"),
        ([*ANSWERS, "--from", "2030-01-02", "--to", "2030-01-01"], "ends before"),
        ([*ANSWERS, "--from", "tomorrow"], "--from is a day"),
        ([*ANSWERS, "--photos", "none.jpg"], "no picture at none.jpg"),
        ([*ANSWERS, "--form", "a.jpg"], "go with --witness-key"),
        ([*ANSWERS, "--witness-key", "none.pem", "--form", "a.jpg"], "no private key"),
        ([*ANSWERS, "--witness-key", "none.pem"], "--form is missing"),
        ([*ANSWERS, "--key", "a.jpg"], "no private key in PEM"),
        ([*ANSWERS, "--enroller", "me"], "64 hex digits"),
    ],
)
def test_bad_answers_end_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert _new("--subject", "Alice", "--purpose", "film", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("c.json").exists()


@pytest.mark.parametrize("missing", ["--subject", "--purpose", "--photos"])
def test_nobody_is_asked_where_nobody_is(capsys: pytest.CaptureFixture[str], missing: str) -> None:
    given = {"--subject": "Alice", "--purpose": "film", "--photos": "a.jpg"}
    options = [text for name, value in given.items() if name != missing for text in (name, value)]
    assert main(["consent", "new", *options, *ANSWERS, "-o", "c.json"]) == 2
    assert f"{missing} is missing" in capsys.readouterr().err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = _Terminal()
    answers = "Alice\nyes\nno\nfilm, art\na.jpg 'b.jpg'\n"
    monkeypatch.setattr(sys, "stdin", _Terminal(answers))
    monkeypatch.setattr(sys, "stderr", questions)
    assert main(["consent", "new", "-o", "c.json"]) == 0
    consent = load_consent("c.json")
    assert (consent.subject, consent.purposes) == ("Alice", ("film", "art"))
    assert "18 years or older" in questions.getvalue()
    monkeypatch.setattr(sys, "stdin", _Terminal(""))
    assert main(["consent", "new", "-o", "d.json"]) == 2


def test_a_refusal_is_in_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    _new("--subject", "Alice", "--purpose", "film", "--adult", "no", "--intimate", "no")
    capsys.readouterr()
    assert main(["ledger", "show", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["kind"], "under 18" in entry["reason"]) == ("refusal", True)


def test_a_date_of_birth_is_not_kept() -> None:
    born = ["--born", "1980-02-03", "--intimate", "no"]
    assert _new("--subject", "Alice", "--purpose", "film", *born) == 0
    assert "1980" not in Path("c.json").read_text()
    assert load_consent("c.json").adult_basis == "date-of-birth"


def test_an_existing_file_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.json").write_text("mine")
    assert _usual() == 2
    assert "exists" in capsys.readouterr().err
    assert Path("c.json").read_text() == "mine"
    assert _usual("--overwrite") == 0


def test_synthetic(capsys: pytest.CaptureFixture[str]) -> None:
    assert _new("--synthetic", "--purpose", "film", *ANSWERS) == 0
    facts = _shown(capsys)
    assert (facts["subject"], facts["assurance"]) == ("nobody", "synthetic")
    assert _new("--synthetic", "--subject", "Alice", "--purpose", "film", *ANSWERS) == 2
    assert _new("--subject", "nobody", "--purpose", "film", *ANSWERS, output="d.json") == 2


def test_a_witness(capsys: pytest.CaptureFixture[str]) -> None:
    _key("w.pem")
    Path("form.pdf").write_bytes(b"signed")
    witness = ["--witness-key", "w.pem", "--witness-name", "Eve", "--form", "form.pdf"]
    assert _usual(*witness) == 0
    facts = _shown(capsys)
    assert (facts["assurance"], facts["witness"]) == ("agent-attested", "Eve")
    _key("issuer.pem")
    assert _usual("--overwrite", "--key", "w.pem", *witness) == 2
    assert _new("--synthetic", "--purpose", "film", *ANSWERS, *witness, output="d.json") == 2


def test_a_trusted_issuer(capsys: pytest.CaptureFixture[str]) -> None:
    key = _key("issuer.pem")
    assert _usual("--key", "issuer.pem") == 0
    facts = _shown(capsys)
    assert (facts["assurance"], facts["assurance_claimed"]) == ("self-attested", "trusted-issuer")
    assert len(facts["enrollers"]) == 1
    assert main(["consent", "trust", "add", key, "--name", "Office"]) == 0
    assert _shown(capsys)["assurance"] == "trusted-issuer"
    assert main(["consent", "trust", "list"]) == 0
    assert f"{key} Office" in capsys.readouterr().out
    assert main(["consent", "trust", "remove", key]) == 0
    assert _shown(capsys)["assurance"] == "self-attested"
    assert main(["consent", "trust", "list"]) == 0
    assert "no trusted issuer" in capsys.readouterr().out


def test_show_is_for_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    _usual()
    capsys.readouterr()
    assert main(["consent", "show", "c.json"]) == 0
    text = capsys.readouterr().out
    assert "in force" in text
    assert "verified" not in text
    assert load_consent("c.json").photo_salt not in text


def test_an_edited_consent_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _usual()
    path = Path("c.json")
    path.write_text(path.read_text().replace("Alice", "Bob"))
    assert main(["consent", "show", "c.json"]) == 2
    assert "was changed after it was signed" in capsys.readouterr().err


def test_revoke_by_file_and_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    _usual()
    assert main(["consent", "revoke", "c.json", "-o", "r.revocation", "--reason", "no more"]) == 0
    facts = _shown(capsys)
    assert (facts["state"], facts["revocation_reason"]) == ("revoked", "no more")
    assert Path("r.revocation").exists()
    _usual("--overwrite")
    assert main(["consent", "revoke", load_consent("c.json").id]) == 0
    assert _shown(capsys)["state"] == "revoked"


def test_a_revocation_travels(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    _usual()
    main(["consent", "revoke", "c.json", "-o", "r.revocation"])
    monkeypatch.setenv("EDGE_HOME", str(folder / "another device"))
    assert _shown(capsys)["state"] == "in force"
    assert main(["consent", "revoke", "c.json"]) == 2
    assert "may not revoke" in capsys.readouterr().err
    assert main(["consent", "revoke", "--import", "r.revocation"]) == 0
    assert _shown(capsys)["state"] == "revoked"


def test_revoke_needs_one_thing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["consent", "revoke"]) == 2
    assert "name the consent" in capsys.readouterr().err
    Path("r.revocation").write_text("{}")
    assert main(["consent", "revoke", "--import", "r.revocation"]) == 2
    assert "no revocation" in capsys.readouterr().err


def test_an_import_that_does_not_count_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    _usual()
    home = str(folder / "home")
    monkeypatch.setenv("EDGE_HOME", str(folder / "stranger"))
    stranger = _key("stranger.pem")
    main(["consent", "trust", "add", stranger])
    assert main(["consent", "revoke", "c.json", "--key", "stranger.pem", "-o", "r.revocation"]) == 0
    monkeypatch.setenv("EDGE_HOME", home)
    capsys.readouterr()
    assert main(["consent", "revoke", "--import", "r.revocation"]) == 0
    assert "not honoured" in capsys.readouterr().err
    facts = _shown(capsys)
    assert facts["state"] == "in force"
    assert len(facts["revocations_ignored"]) == 1
