from __future__ import annotations

import getpass
import io
import json
import os
from pathlib import Path

import pytest

from edge.cli import main
from edge.consent import vault
from edge.consent.erase import erase_identity
from edge.consent.identity import Identity, load_identity, save_identity
from edge.consent.ledger import Ledger
from edge.consent.store import find_consent
from edge.consent.vault import KEY_FILE_VARIABLE, Secret, key_file, new_key_file, passphrase
from edge.errors import IdentityError, KeyStoreError, OutputError
from tests.edge.consent.conftest import IdentityMaker

WORDS = passphrase("correct horse")


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "identity.key"
    new_key_file(path)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(path))
    return path


@pytest.fixture
def alice(make_identity: IdentityMaker) -> Identity:
    return make_identity()


def same(one: Identity, other: Identity) -> bool:
    return one.to_dict() == other.to_dict()


def test_a_key_is_never_replaced(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(OutputError, match=r"exists, and a key is never replaced: .* name$"):
        new_key_file(key)
    assert key.read_bytes() == before


def test_a_key_file(alice: Identity, key: Path, tmp_path: Path) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=key_file(key))
    assert same(load_identity(path), alice)
    data = path.read_bytes()
    assert b"Alice" not in data
    assert b"float32" not in data
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_consent(str(path)).id == alice.consent.id
    path.chmod(0o644)  # nobody can read what is in it
    assert same(load_identity(path), alice)


def test_a_passphrase(alice: Identity, tmp_path: Path) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=WORDS)
    assert same(load_identity(path, lambda: WORDS), alice)
    with pytest.raises(IdentityError, match="the passphrase is another one"):
        load_identity(path, lambda: Secret("passphrase", b"wrong"))
    with pytest.raises(IdentityError, match="nobody is here to ask"):
        load_identity(path, vault.nobody)


def test_two_files_of_one_identity_have_nothing_in_common(alice: Identity, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_identity(alice, tmp_path / name, secret=WORDS)
    one, other = (json.loads((tmp_path / name).read_bytes()) for name in ("a", "b"))
    assert one["commitment"] == other["commitment"]
    assert one["sealed"][:40] != other["sealed"][:40]
    assert one["nonce"] != other["nonce"]
    assert one["key"]["salt"] != other["key"]["salt"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("commitment", "0" * 64, "the file was changed"),
        ("nonce", "0" * 24, "the file was changed"),
        ("nonce", "0" * 22, "no encrypted identity"),
        ("sealed", "AAAA", "the file was changed"),
        ("sealed", "no base64!", "no encrypted identity"),
        ("key", {"made_by": "hkdf-sha256", "n": 1}, "no encrypted identity"),
        ("key", [], "no encrypted identity"),
        ("extra", 1, "no encrypted identity"),
    ],
)
def test_a_changed_file_is_refused(
    place: str, value: object, message: str, alice: Identity, key: Path, tmp_path: Path
) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=key_file(key))
    path.write_text(json.dumps({**json.loads(path.read_bytes()), place: value}))
    with pytest.raises(IdentityError, match=message):
        load_identity(path)


@pytest.mark.parametrize("change", [{"n": 1 << 30}, {"r": 1 << 20}, {"p": 99}, {"n": 3}, {"n": 0}])
def test_a_file_cannot_ask_for_all_memory(
    change: dict[str, int], alice: Identity, tmp_path: Path
) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=WORDS)
    record = json.loads(path.read_bytes())
    record["key"].update(change)
    path.write_text(json.dumps(record))
    with pytest.raises(IdentityError, match="scrypt parameters are out of bounds"):
        load_identity(path, lambda: WORDS)


def test_key_files(key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32
    key.chmod(0o640)
    with pytest.raises(KeyStoreError, match="run 'chmod 600' on it"):
        key_file(key)
    short = tmp_path / "short"
    short.write_bytes(b"x" * 31)
    short.chmod(0o600)
    with pytest.raises(KeyStoreError, match="edge identity new-key"):
        key_file(short)


def test_where_the_key_file_is_looked_for(
    alice: Identity, key: Path, tmp_path: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=key_file(key))
    monkeypatch.delenv(KEY_FILE_VARIABLE)
    with pytest.raises(IdentityError, match=KEY_FILE_VARIABLE):
        load_identity(path)
    own = edge_home / "config" / "keys" / "identity.key"
    own.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    key.rename(own)
    assert same(load_identity(path), alice)


def test_passphrases() -> None:
    with pytest.raises(KeyStoreError, match="at least 8"):
        passphrase("short")
    # One letter, composed by one keyboard and in two parts by another.
    assert passphrase("gr\u00fcn gr\u00fcn") == passphrase("gru\u0308n gru\u0308n")
    assert "horse" not in repr(WORDS)


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    assert vault.ask_terminal() is None
    with pytest.raises(KeyStoreError, match="nobody is here"):
        vault.new_passphrase()


def test_a_new_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter(["correct horse", "correct house", "correct horse", "correct horse"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    with pytest.raises(KeyStoreError, match="differ"):
        vault.new_passphrase()
    assert vault.new_passphrase() == WORDS


def test_a_prompt_that_is_ended_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.fileno", lambda: 0, raising=False)
    monkeypatch.setattr("os.tcgetpgrp", lambda handle: os.getpgrp())
    monkeypatch.setattr(getpass, "getpass", ended)
    for ask in (vault.ask_terminal, vault.new_passphrase):
        with pytest.raises(KeyStoreError, match="no passphrase of the identity was typed"):
            ask()


def test_erasing_needs_no_secret(alice: Identity, tmp_path: Path) -> None:
    path = tmp_path / "alice.identity"
    save_identity(alice, path, secret=WORDS)
    erased = erase_identity(path, Ledger())
    assert erased.commitment == alice.commitment
    assert not path.exists()


def test_the_commands(
    alice: Identity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, key = tmp_path / "alice.identity", tmp_path / "key"
    save_identity(alice, path)
    inode = open(path, "rb")  # noqa: SIM115 - what is left of the old content is read through it
    plain = path.read_bytes()
    assert main(["identity", "new-key", "-o", str(key)]) == 0
    assert main(["identity", "encrypt", str(path), "--key-file", str(key)]) == 0
    assert inode.read() == bytes(len(plain))
    inode.close()
    assert main(["identity", "show", str(path)]) == 2
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(key))
    capsys.readouterr()
    assert main(["identity", "show", str(path)]) == 0
    assert "Alice" in capsys.readouterr().out
    assert main(["identity", "decrypt", str(path)]) == 0
    assert path.read_bytes() == plain
    assert main(["identity", "encrypt", str(path), "--key-file", str(tmp_path / "none")]) == 2
    assert path.read_bytes() == plain
