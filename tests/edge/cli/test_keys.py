from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.provenance import certificates, keys


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    content: dict[str, object] = json.loads(capsys.readouterr().out)
    return content


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "show", "--json"]) == 0
    content = _json(capsys)
    device = keys.device_keys()
    assert content["leaf_sha256"] == certificates.fingerprint(device.leaf)
    assert content["key_file"] == str(device.path)
    assert content["retired"] == []
    assert Path(str(content["root_file"])).is_file()
    assert main(["keys", "show"]) == 0
    out = capsys.readouterr().out
    assert str(content["root_sha256"]) in out
    assert "PRIVATE" not in out


def test_rotate(capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "show", "--json"])
    before = _json(capsys)
    assert main(["keys", "rotate", "--json"]) == 0
    after = _json(capsys)
    assert after["leaf_sha256"] != before["leaf_sha256"]
    assert after["retired"] == [before["root_file"]]


def test_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, chain = certificates.make_chain()
    (tmp_path / "k.pem").write_text(certificates.key_pem(key))
    (tmp_path / "c.pem").write_text(certificates.chain_pem(chain))
    command = ["keys", "import", "--key", str(tmp_path / "k.pem"), "--chain"]
    assert main([*command, str(tmp_path / "c.pem"), "--json"]) == 0
    assert _json(capsys)["leaf_sha256"] == certificates.fingerprint(chain[0])
    assert main([*command, str(tmp_path / "none.pem")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "none.pem" in captured.err


def test_wrong_rights_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    keys.device_keys().path.chmod(0o644)
    assert main(["keys", "show"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "chmod 600" in error


def test_action_is_needed() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["keys"])
    assert caught.value.code == 2


def test_rotation_is_entered_and_the_operator_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from edge.consent.ledger import Ledger
    from edge.consent.operator import operator_key
    from edge.consent.signing import public_hex

    key = public_hex(operator_key())
    assert main(["keys", "rotate"]) == 0
    assert Ledger().entries()[-1].fields["event"] == "key-rotation"
    shown = capsys.readouterr().out
    assert f"{key} (signs consents, identities and bundles: the builder's key)" in shown
