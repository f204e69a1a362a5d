from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cli import main
from edge.consent.erase import derivatives_of
from edge.consent.identity import load_identity
from edge.errors import PhotoError
from edge.faces import detect, embed, quality
from edge.records import Face

MODEL = "ab" * 32


class _Models:
    """Stands in for detector and recogniser; the picture's first pixel says what they find."""

    card = SimpleNamespace(name="ref_embedder", sha256=MODEL)
    match_threshold = 0.4

    def detect(self, frame: NDArray[np.uint8], /) -> tuple[Face, ...]:
        count = int(frame[0, 0, 0]) // 100
        return (Face((0.0, 0.0, 9.0, 9.0), 0.9, np.zeros((5, 2), np.float32)),) * count

    def embed(self, frame: NDArray[np.uint8], face: Face, /) -> NDArray[np.float32]:
        return np.full(512, 512**-0.5, np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with pictures of no, one and two faces, and a consent to them."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("none", 50), ("a", 150), ("b", 160), ("two", 250)):
        cv2.imwrite(f"{name}.png", np.full((16, 16, 3), value, np.uint8))
    monkeypatch.setattr(detect, "open_detector", lambda *_: _Models())
    monkeypatch.setattr(embed, "open_embedder", lambda *_: _Models())
    monkeypatch.setattr(quality, "check_photo", lambda *_: None)
    assert _consent("--photos", "a.png", "b.png", "none.png", "two.png") == 0
    return tmp_path


def _consent(*options: str) -> int:
    usual = ["--subject", "Alice", "--purpose", "film", "--adult", "yes", "--intimate", "no"]
    return main(["consent", "new", *usual, "-o", "c.json", "--overwrite", *options])


def _enroll(*photos: str, output: str = "alice.identity") -> int:
    return main(["enroll", "--consent", "c.json", "--photos", *photos, "-o", output])


def _ledger(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    main(["ledger", "show", "--json"])
    return json.loads(capsys.readouterr().out)


def test_an_identity_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert _enroll("a.png", "b.png") == 0
    assert "alice.identity: Alice, from 2 pictures" in capsys.readouterr().out
    path = Path("alice.identity")
    identity = load_identity(path)
    assert identity.embedding_for("ref_embedder", MODEL).shape == (512,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert derivatives_of(identity.commitment) == [path.absolute()]
    assert _ledger(capsys)[-1]["event"] == "enrol"


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        (["none.png"], "no face in none.png"),
        (["a.png", "two.png"], "2 faces in two.png"),
        (["gone.png"], "no picture at gone.png"),
    ],
)
def test_bad_pictures_end_in_one_line(
    capsys: pytest.CaptureFixture[str], photos: list[str], message: str
) -> None:
    capsys.readouterr()
    assert _enroll(*photos) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("alice.identity").exists()


def test_a_poor_picture_is_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poor(*_: object) -> None:
        raise PhotoError("a.png: the face is blurred")

    monkeypatch.setattr(quality, "check_photo", poor)
    assert _enroll("a.png") == 2
    assert "the face is blurred" in capsys.readouterr().err


def test_other_pictures_are_refused_and_entered(capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite("bob.png", np.full((16, 16, 3), 170, np.uint8))
    assert _enroll("bob.png") == 2
    assert "does not name the picture bob.png" in capsys.readouterr().err
    entry = _ledger(capsys)[-1]
    assert (entry["kind"], entry["asked"]["command"]) == ("refusal", "enroll")


@pytest.mark.parametrize(
    ("validity", "message"),
    [
        (["--to", "2020-12-31", "--from", "2020-01-01"], "expired"),
        (["--from", "2999-01-01"], "yet"),
    ],
)
def test_a_consent_out_of_force_is_refused(
    capsys: pytest.CaptureFixture[str], validity: list[str], message: str
) -> None:
    assert _consent("--photos", "a.png", *validity) == 0
    capsys.readouterr()
    assert _enroll("a.png") == 2
    assert message in capsys.readouterr().err


def test_an_edited_or_revoked_consent_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("c.json")
    whole = path.read_text()
    path.write_text(whole.replace("Alice", "Bob"))
    assert _enroll("a.png") == 2
    path.write_text(whole)
    main(["consent", "revoke", "c.json"])
    assert _enroll("a.png") == 2
    assert "revoked" in capsys.readouterr().err


def test_an_existing_file_is_kept() -> None:
    Path("alice.identity").write_text("mine")
    assert _enroll("a.png") == 2
    assert Path("alice.identity").read_text() == "mine"
