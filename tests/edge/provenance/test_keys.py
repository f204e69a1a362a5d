from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import KeyStoreError
from edge.provenance import certificates, keys


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_at_first_use_and_kept(edge_home: Path) -> None:
    first = keys.device_keys()
    second = keys.device_keys()
    assert first.leaf == second.leaf
    assert first.path == edge_home / "config" / "keys" / "claim.pem"
    certificates.check_chain(first.key, first.chain, "device")
    assert [p.stem for p in keys.device_anchors()] == [certificates.fingerprint(first.root)]


def test_only_the_owner_may_read(edge_home: Path) -> None:
    keys.device_keys()
    everything = [keys.keys_dir(), *keys.keys_dir().rglob("*")]
    assert len(everything) >= 5
    for path in everything:
        assert _mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_nothing_is_left_over() -> None:
    keys.device_keys()
    keys.rotate()
    names = {p.name for p in keys.keys_dir().iterdir()}
    assert names == {"lock", "claim.pem", "anchors"}


@pytest.mark.parametrize(
    ("name", "mode", "mend"),
    [(".", 0o755, "chmod 700"), ("claim.pem", 0o640, "chmod 600"), ("claim.pem", 0o604, "chmod")],
)
def test_rights_of_others_are_refused_with_the_mend(name: str, mode: int, mend: str) -> None:
    keys.device_keys()
    path = keys.keys_dir() / name
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match=mend) as caught:
        keys.device_keys()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_open_folder_gets_no_key() -> None:
    keys.keys_dir().mkdir(parents=True)
    keys.keys_dir().chmod(0o755)
    with pytest.raises(KeyStoreError, match="chmod 700"):
        keys.device_keys()
    assert not (keys.keys_dir() / "claim.pem").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe"])
def test_a_damaged_store_is_an_error_and_is_not_replaced(content: bytes) -> None:
    path = keys.device_keys().path
    path.write_bytes(content)
    with pytest.raises(KeyStoreError, match=r"claim\.pem"):
        keys.device_keys()
    assert path.read_bytes() == content


def test_a_home_that_is_a_file(edge_home: Path) -> None:
    edge_home.write_text("not a folder")
    with pytest.raises(KeyStoreError, match="cannot make the key store"):
        keys.device_keys()


def test_rotation_keeps_the_old_root_and_destroys_the_old_key() -> None:
    old = keys.device_keys()
    new = keys.rotate()
    assert new.leaf != old.leaf
    roots = {certificates.fingerprint(k.root) for k in (old, new)}
    assert {p.stem for p in keys.device_anchors()} == roots
    secret = certificates.key_pem(old.key)
    assert all(secret not in p.read_text() for p in keys.keys_dir().rglob("*") if p.is_file())


def _pair(tmp_path: Path) -> tuple[Path, Path]:
    key, chain = certificates.make_chain()
    key_file, chain_file = tmp_path / "k.pem", tmp_path / "c.pem"
    key_file.write_text(certificates.key_pem(key))
    chain_file.write_text(certificates.chain_pem(chain))
    return key_file, chain_file


def test_import(tmp_path: Path) -> None:
    before = keys.device_keys()
    key_file, chain_file = _pair(tmp_path)
    after = keys.import_keys(key_file, chain_file)
    assert certificates.chain_pem(after.chain) == chain_file.read_text()
    assert keys.device_keys().leaf == after.leaf
    imported = f"imported-{certificates.fingerprint(after.root)}"
    own = certificates.fingerprint(before.root)
    assert {p.stem for p in keys.device_anchors()} == {imported, own}


def test_import_of_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    before = keys.device_keys()
    key_file, _ = _pair(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, chain_file = _pair(other)
    with pytest.raises(KeyStoreError, match="not for this key"):
        keys.import_keys(key_file, chain_file)
    with pytest.raises(KeyStoreError, match="cannot be read"):
        keys.import_keys(tmp_path / "missing.pem", chain_file)
    assert keys.device_keys().leaf == before.leaf


def test_processes_that_start_at_once_agree() -> None:
    script = (
        "from edge.provenance import certificates, keys;"
        "print(certificates.fingerprint(keys.device_keys().leaf))"
    )
    command = [sys.executable, "-c", script]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(answers) == 1
    assert len(keys.device_anchors()) == 1
