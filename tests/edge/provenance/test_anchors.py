from __future__ import annotations

from pathlib import Path

from edge.provenance import certificates, keys
from edge.provenance.anchors import THIS_DEVICE, anchors, trusted_dir


def test_none_before_first_use() -> None:
    assert anchors() == ((), ())
    assert not keys.keys_dir().exists()  # looking makes nothing


def test_own_first_then_those_of_the_user() -> None:
    keys.device_keys()
    keys.rotate()
    trusted_dir().mkdir(parents=True)
    _, chain = certificates.make_chain()
    (trusted_dir() / "studio.pem").write_text(certificates.chain_pem(chain[1:]))
    found, notes = anchors()
    assert [a.name for a in found] == [THIS_DEVICE, "studio.pem"]
    assert found[0].pem.count("BEGIN CERTIFICATE") == 2
    assert notes == ()


def test_a_malformed_anchor_is_noted_and_skipped() -> None:
    trusted_dir().mkdir(parents=True)
    (trusted_dir() / "bad.pem").write_text("nonsense")
    found, notes = anchors()
    assert found == ()
    assert len(notes) == 1
    assert "bad.pem" in notes[0]


def test_an_imported_chain_does_not_stand_for_this_device(tmp_path: Path) -> None:
    keys.device_keys()
    key, chain = certificates.make_chain()
    (tmp_path / "k.pem").write_text(certificates.key_pem(key))
    (tmp_path / "c.pem").write_text(certificates.chain_pem(chain))
    keys.import_keys(tmp_path / "k.pem", tmp_path / "c.pem")
    found, _ = anchors()
    root = certificates.common_name(chain[1].subject)
    assert [a.name for a in found] == [THIS_DEVICE, f"imported chain: {root}"]
    assert found[0].pem.count("BEGIN CERTIFICATE") == 1
