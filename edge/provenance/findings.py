"""What the C2PA library's status codes mean, in the few words that a verdict uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Integrity = Literal["intact", "tampered", "invalid"]
"""`tampered`: bytes differ from what was signed. `invalid`: they agree, yet the manifest breaks
the specification's rules, so that it proves nothing."""

_ABOUT_THE_SIGNER = (
    "signingCredential.untrusted",
    "signingCredential.invalid",
    "signingCredential.expired",
    "signingCredential.ocsp",
    "timeStamp.",
    "timeOfSigning.",
    "cawg.",
)
"""Failures that leave the bytes intact and only speak about who signed, or when."""

_CHANGED = (
    "dataHash.mismatch",
    "bmffHash.mismatch",
    "boxesHash.mismatch",
    "collectionHash.mismatch",
    "hashedURI.mismatch",
    "claimSignature.mismatch",
    "claimSignature.missing",
    "claimSignature.invalid",
    "manifest.mismatch",
    "claim.hashedURI.missing",
    "assertion.missing",
    "ingredient.claimSignature.mismatch",
    "ingredient.manifest.mismatch",
)


def failure_codes(holder: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the failure codes of a manifest store's or an ingredient's own manifest.

    Args:
        holder: The store as `Reader.json()` gives it, or one of its ingredients.
    """
    results = _mapping(_mapping(holder.get("validation_results")).get("activeManifest"))
    listed = list(_items(results.get("failure")))
    if not results:  # the older form, which lists failures only
        listed = list(_items(holder.get("validation_status")))
    return tuple(dict.fromkeys(str(item.get("code")) for item in listed))


def other_codes(holder: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the codes of the successes and informations about the active manifest."""
    results = _mapping(_mapping(holder.get("validation_results")).get("activeManifest"))
    items = [*_items(results.get("success")), *_items(results.get("informational"))]
    return tuple(dict.fromkeys(str(item.get("code")) for item in items))


def integrity_of(holder: Mapping[str, Any]) -> Integrity:
    """Return what a store's or an ingredient's failure codes say about its bytes."""
    serious = [c for c in failure_codes(holder) if not c.startswith(_ABOUT_THE_SIGNER)]
    if not serious:
        return "intact"
    return "tampered" if any(c.endswith(_CHANGED) for c in serious) else "invalid"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
