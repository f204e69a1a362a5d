"""Whose bundles this device runs: its own, and those of the builders that it was told to trust."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge import resources
from edge.consent.canonical import FormError, parse_object, readable_json
from edge.consent.fields import Fields, check_text
from edge.consent.operator import operator_public_key
from edge.consent.signing import KEY_DIGITS
from edge.consent.storage import changing, read_record, writable_by_others, write_private
from edge.errors import BundleError

SCHEMA = "edge-swap/trusted-builders-1"
THIS_DEVICE = "this device"


def builders_path() -> Path:
    """Return where the list of trusted builders lies; it may not exist."""
    return resources.config_dir() / "trusted-builders.json"


def trusted_builders() -> Mapping[str, str]:
    """Return the trusted builders: name by public key, 64 hex digits. This device is not listed.

    Raises:
        BundleError: The list is malformed, or others may write to it.
    """
    path = builders_path()
    if not path.exists():
        return {}
    if writable_by_others(path):
        raise BundleError(f"others may write to the trusted builders {path}: run 'chmod 600' on it")
    try:
        fields = Fields(parse_object(read_record(path, "list of builders", BundleError)))
        fields.choice("schema", (SCHEMA,))
        listed = fields.mapping("builders")
        fields.done()
        for key in listed:
            Fields({"key": key}, "builders").hex("key", KEY_DIGITS)
        names = Fields(listed, "builders")
        return {key: names.text(key) for key in sorted(listed)}
    except FormError as error:
        raise BundleError(f"the trusted builders {path} are damaged: {error}") from error


def name_of_builder(key: str) -> str | None:
    """Return the name of a builder whose bundles this device runs; None for all others.

    Args:
        key: Public key, 64 hex digits.

    Raises:
        BundleError: The list is malformed, or others may write to it.
        KeyStoreError: This device's own key cannot be read.
    """
    if key == operator_public_key():
        return THIS_DEVICE
    return trusted_builders().get(key)


def check_builder(key: str, where: str) -> str:
    """Return the name of a trusted builder.

    Args:
        key: Public key of whoever signed a bundle, 64 hex digits.
        where: The bundle as the user named it, for messages.

    Raises:
        BundleError: It is not trusted here.
    """
    name = name_of_builder(key)
    if name is None:
        raise BundleError(
            f"{where}: was signed by the key {key}, which this device does not trust; if it is "
            f"your builder's: edge bundle trust add {key} --name NAME"
        )
    return name


def add_builder(key: str, name: str) -> None:
    """Run the bundles of a builder from now on.

    Args:
        key: Public key, 64 hex digits.
        name: Name to show; the operator's choice.

    Raises:
        BundleError: The name cannot be printed, or the list is damaged.
        OutputError: The list cannot be written.
    """
    try:
        check_text(name, "name")
        Fields({"key": key}).hex("key", KEY_DIGITS)
    except FormError as error:
        raise BundleError(f"cannot trust this builder: {error}") from error
    with changing(builders_path()):
        _save({**trusted_builders(), key: name})


def remove_builder(key: str) -> None:
    """Run the bundles of a builder no longer.

    Raises:
        BundleError: It was not trusted.
        OutputError: The list cannot be written.
    """
    with changing(builders_path()):
        builders = dict(trusted_builders())
        if builders.pop(key, None) is None:
            raise BundleError(f"the key {key[:16]}... is not among the trusted builders")
        _save(builders)


def _save(builders: Mapping[str, str]) -> None:
    """Write the list; under its lock, so that no other process's change is lost."""
    record: dict[str, object] = {"schema": SCHEMA, "builders": dict(sorted(builders.items()))}
    write_private(builders_path(), readable_json(record), overwrite=True)
