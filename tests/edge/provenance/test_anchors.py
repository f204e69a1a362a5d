from __future__ import annotations

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
