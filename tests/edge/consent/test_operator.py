from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from edge.consent.operator import operator_key, operator_key_path, operator_public_key
from edge.consent.signing import public_hex
from edge.errors import KeyStoreError

# From 3.12 on Python warns of forks beside threads; numpy's may be there, and hold no lock of ours.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_the_key_is_made_once_for_its_owner_only() -> None:
    assert operator_public_key() is None
    first = public_hex(operator_key())
    assert public_hex(operator_key()) == operator_public_key() == first
    path = operator_key_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_key_that_others_may_read_is_not_used() -> None:
    operator_key()
    operator_key_path().chmod(0o640)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        operator_key()


def test_a_folder_that_others_may_write_to_is_not_used() -> None:
    operator_key()
    operator_key_path().parent.chmod(0o777)
    with pytest.raises(KeyStoreError, match="chmod 700"):
        operator_key()


def test_a_damaged_key_is_not_replaced() -> None:
    operator_key()
    operator_key_path().write_bytes(b"x")
    with pytest.raises(KeyStoreError, match="PEM"):
        operator_key()


def test_a_folder_that_cannot_be_made_is_said(edge_home: Path) -> None:
    edge_home.write_bytes(b"in the way")
    with pytest.raises(KeyStoreError, match="operator's key"):
        operator_key()


def _public(_: int) -> str:
    return public_hex(operator_key())


def test_processes_that_start_together_agree() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(_public, range(8)))) == 1
