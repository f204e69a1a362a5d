"""The builders whose bundles are run here."""

from __future__ import annotations

import stat
import threading

import pytest

from edge.bundle import builders
from edge.bundle.builders import (
    THIS_DEVICE,
    add_builder,
    builders_path,
    check_builder,
    name_of_builder,
    remove_builder,
    trusted_builders,
)
from edge.consent.operator import operator_key
from edge.consent.signing import public_hex
from edge.consent.storage import changing
from edge.errors import BundleError

KEY, OTHER = "ab" * 32, "cd" * 32


def test_nobody_is_trusted_at_first() -> None:
    assert trusted_builders() == {}
    assert name_of_builder(KEY) is None
    with pytest.raises(BundleError, match=f"edge bundle trust add {KEY}"):
        check_builder(KEY, "alice")


def test_this_device_is_always() -> None:
    key = public_hex(operator_key())
    assert check_builder(key, "alice") == THIS_DEVICE
    assert key not in trusted_builders()


def test_adding_and_removing() -> None:
    add_builder(OTHER, "two")
    add_builder(KEY, "one")
    assert dict(trusted_builders()) == {KEY: "one", OTHER: "two"}
    assert stat.S_IMODE(builders_path().stat().st_mode) == 0o600
    add_builder(KEY, "renamed")
    assert check_builder(KEY, "alice") == "renamed"
    remove_builder(KEY)
    assert list(trusted_builders()) == [OTHER]
    with pytest.raises(BundleError, match="is not among"):
        remove_builder(KEY)


def test_changes_of_two_processes_wait_for_each_other() -> None:
    add_builder(OTHER, "compromised")
    with changing(builders_path()):
        before = trusted_builders()
        waiting = threading.Thread(target=remove_builder, args=(OTHER,))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        builders._save({**before, KEY: "one"})
    waiting.join()
    assert dict(trusted_builders()) == {KEY: "one"}
    with changing(builders_path()):
        waiting = threading.Thread(target=add_builder, args=(OTHER, "two"))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert dict(trusted_builders()) == {KEY: "one", OTHER: "two"}


@pytest.mark.parametrize(("key", "name"), [("xyz", "a"), (KEY, ""), (KEY, "a\nb"), (KEY, "‮x")])
def test_what_cannot_be_added(key: str, name: str) -> None:
    with pytest.raises(BundleError, match="cannot trust this builder"):
        add_builder(key, name)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"schema": "edge-swap/trusted-builders-1", "builders": {"x": "y"}}', "[]"]
)
def test_a_damaged_list_trusts_nobody(text: str) -> None:
    add_builder(KEY, "one")
    builders_path().write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"are damaged|is empty"):
        check_builder(KEY, "alice")


def test_a_list_that_others_can_write() -> None:
    add_builder(KEY, "one")
    builders_path().chmod(0o666)
    with pytest.raises(BundleError, match="others may write"):
        check_builder(KEY, "alice")
