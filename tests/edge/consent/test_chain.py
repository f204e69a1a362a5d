from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.consent.chain import Head, file_sha256, last_line, read_head, tear_off, verify_chain
from edge.errors import LedgerError


def test_a_head_survives_its_file(tmp_path: Path) -> None:
    head = Head(7, "ab" * 32)
    (tmp_path / "h").write_bytes(head.to_bytes())
    assert read_head(tmp_path / "h") == head
    assert len(Head(10**12, "cd" * 32).to_bytes()) == len(head.to_bytes())


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 86, b"1 2 3", b"1 abc", b"\xff", b"0 " + b"a" * 64]
)
def test_an_unreadable_head_is_none(tmp_path: Path, content: bytes) -> None:
    assert read_head(tmp_path / "none") is None
    (tmp_path / "h").write_bytes(content)
    assert read_head(tmp_path / "h") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_file_is_checked_without_a_crash(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(data)
    assert verify_chain(path, Head(1, "ab" * 32))
    with contextlib.suppress(LedgerError):
        last_line(path)
    whole = data[: data.rfind(b"\n") + 1]
    torn = tear_off(path)
    assert path.read_bytes() == whole
    assert (torn is None) == (whole == data)


def test_long_lines_are_found_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    lines = [b'{"seq":%d,"kind":"event","hash":"%s"}' % (n, b"a" * n) for n in (9, 200_000, 3)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    found = last_line(path)
    assert found is not None
    assert found.seq == 3
    middle = last_line(path, len(lines[0]) + len(lines[1]) + 2)
    assert middle is not None
    assert middle.seq == 200_000
    assert last_line(tmp_path / "none") is None


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "f") == known
    assert file_sha256(tmp_path / "none") is None
    assert file_sha256(tmp_path) is None
