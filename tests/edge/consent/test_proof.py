from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.consent import proof as proof_module
from edge.consent.canonical import FormError
from edge.consent.checkpoints import write_checkpoint
from edge.consent.ledger import Ledger
from edge.consent.proof import prove, read_proof
from edge.errors import LedgerError
from tests import authority as testing
from tests.edge.consent.test_ledger import CONTENT, _publish


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def output(ledger: Ledger, tmp_path: Path) -> Path:
    """An output in the ledger, with other lines before and after it."""
    for number in range(5):
        ledger.event("skipped-no-face", {"input": f"secret {number}"})
    path = tmp_path / "out.jpg"
    _publish(ledger, path)
    for number in range(4):
        ledger.event("skipped-no-face", {"input": f"secret {number}"})
    return path


def test_a_proof_holds_the_lines_about_one_output_alone(ledger: Ledger, output: Path) -> None:
    record = prove(ledger, output).to_record()
    proof = read_proof(json.loads(json.dumps(record)))
    kinds = [json.loads(line)["kind"] for line in proof.lines]
    assert kinds == ["output", "published"]
    assert "secret" not in json.dumps(record)
    assert len(proof.signed) == 1
    assert proof.signed[0].checkpoint.size == 11
    assert ledger.verify() == []


def test_a_checkpoint_that_covers_it_is_used_again(ledger: Ledger, output: Path) -> None:
    prove(ledger, output)
    count = len(ledger.lines())
    prove(ledger, output)
    assert len(ledger.lines()) == count
    ledger.event("erase", {})
    write_checkpoint(ledger)
    assert prove(ledger, output).signed[0].checkpoint.size == count + 1  # the newest


def test_a_moved_file_is_found_by_its_bytes(ledger: Ledger, output: Path, tmp_path: Path) -> None:
    moved = output.rename(tmp_path / "elsewhere.jpg")
    assert prove(ledger, moved).lines


def test_what_is_not_in_the_ledger(ledger: Ledger, output: Path, tmp_path: Path) -> None:
    output.write_bytes(CONTENT + b"!")
    with pytest.raises(LedgerError, match="not in the ledger"):
        prove(ledger, output)
    with pytest.raises(LedgerError, match=r"cannot be read: check the path; .* --entry N"):
        prove(ledger, tmp_path / "nothing")


def test_a_broken_ledger_proves_nothing(ledger: Ledger, output: Path) -> None:
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content.replace(b"secret 1", b"secret 9", 1))
    with pytest.raises(LedgerError, match="broken"):
        prove(ledger, output)


DOCUMENT = Path(proof_module.__file__).parents[2] / "docs" / "ledger.md"


@pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")
def test_others_can_check_it_as_the_document_says(
    ledger: Ledger, output: Path, tmp_path: Path
) -> None:
    """The document's own checker: the standard library and OpenSSL, nothing of ours."""
    source = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert "import edge" not in source
    assert "from edge" not in source
    (tmp_path / "checker.py").write_text(source)
    record = prove(ledger, output).to_record()
    (tmp_path / "proof.json").write_text(json.dumps(record))

    def checked() -> bool:
        words = [sys.executable, "-I", "checker.py", "proof.json", str(output)]
        return subprocess.run(words, cwd=tmp_path, capture_output=True).returncode == 0

    assert checked()
    for edit in (
        lambda r: _line(r, '"film"', '"game"'),
        lambda r: r["checkpoints"][0]["paths"][0]["path"].reverse(),
        lambda r: r["checkpoints"][0].update(text=r["checkpoints"][0]["text"].replace("Z", "z")),
    ):
        changed = copy.deepcopy(record)
        edit(changed)
        (tmp_path / "proof.json").write_text(json.dumps(changed))
        assert not checked()
    (tmp_path / "proof.json").write_text(json.dumps(record))
    output.write_bytes(b"another")
    assert not checked()


Edit = Callable[[dict[str, Any]], object]


def _line(record: dict[str, Any], old: str, new: str) -> None:
    record["lines"][0] = record["lines"][0].replace(old, new)


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: _line(r, '"film"', '"game"'),
        lambda r: r["lines"].reverse(),
        lambda r: r["lines"].pop(),
        lambda r: r["lines"].clear(),
        lambda r: r["checkpoints"].clear(),
        lambda r: r["checkpoints"][0]["paths"].pop(),
        lambda r: r["checkpoints"][0]["paths"][0]["path"].pop(),
        lambda r: r["checkpoints"][0]["paths"][0]["path"].append("00" * 32),
        lambda r: r["checkpoints"][0]["paths"][0].update(index=3),
        lambda r: r["checkpoints"][0]["paths"][0].update(index="3"),
        lambda r: r["checkpoints"][0].pop("time_stamps"),
        lambda r: r["checkpoints"][0].update(text="x"),
        lambda r: r["checkpoints"][0].update(time_stamps=["A"]),
        lambda r: r["checkpoints"][0].update(time_stamps={}),
        lambda r: r["checkpoints"][0]["paths"][0].update(path=5),
        lambda r: r["checkpoints"][0]["paths"][0].update(path=["x"]),
        lambda r: r["checkpoints"][0]["paths"][0].update(index=-1),
        lambda r: r["checkpoints"][0].update(paths=["x"]),
        lambda r: r.update(lines=["\ud800"]),
        lambda r: r.pop("lines"),
        lambda r: r.update(lines=3),
        lambda r: r.update(checkpoints=["x"]),
    ],
)
def test_a_changed_proof_does_not_hold(ledger: Ledger, output: Path, edit: Edit) -> None:
    record = prove(ledger, output).to_record()
    changed = copy.deepcopy(record)
    edit(changed)
    with pytest.raises(FormError):
        read_proof(changed)
    assert read_proof(record).lines
