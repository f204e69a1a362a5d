"""From the C2PA library's report to the facts of a verdict.

Everything in a manifest is text by strangers: nothing here trusts a type, a length or a depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from edge.provenance import manifest as ours
from edge.provenance.findings import failure_codes, integrity_of, other_codes
from edge.provenance.implicit import ImplicitLabel
from edge.provenance.verdict import Action, Claims, Ingredient, Live, SigningTime
from edge.provenance.watermark.identifier import ALGORITHM

if TYPE_CHECKING:
    from typing import TypeGuard

_MAX_TEXT = 500
_MAX_ITEMS = 100
_MAX_DEPTH = 16
_MAX_COUNT = 1 << 53
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WATERMARK = re.compile(r"[0-9a-f]{16}")

_MODEL_FIELDS = (
    "name",
    "kind",
    "sha256",
    "precision",
    "backend",
    "provider",
    "engine_version",
    "licence",
    "commercial",
)

_CONSENT_FIELDS = {
    "consentId": "id",
    "assurance": "assurance",
    "purpose": "purpose",
    "notAfter": "not_after",
    "identityCommitment": "identity_commitment",
    "targetStatement": "target_statement",
}


def claims_of(store: Mapping[str, Any]) -> Claims:
    """Return what the active manifest of a store says.

    Args:
        store: `Reader.json()`, parsed.
    """
    manifests = _mapping(store.get("manifests"))
    active = _mapping(manifests.get(str(store.get("active_manifest"))))
    swap = _assertion(active, ours.SWAP)
    actions = _actions(active)
    target = _assertion(active, ours.TARGET).get("sha256")
    return Claims(
        generator=_generator(active),
        time=_time(store, active, actions, swap),
        ingredients=_ingredients(manifests, active, 0),
        actions=actions,
        models=tuple(_named(model, _MODEL_FIELDS) for model in _items(swap.get("models"))),
        consent=_consent(_assertion(active, ours.CONSENT)),
        target_sha256=target if isinstance(target, str) and _DIGEST.fullmatch(target) else None,
        visible_label=_visible(_assertion(active, ours.LABEL)),
        output_id=_text(swap.get("outputId")),
        watermark=_watermark(_assertion(active, ours.SOFT_BINDING)),
        implicit_label=_implicit(_assertion(active, ours.IMPLICIT)),
        bundle=_text(swap.get("bundle")),
        live=_live(_assertion(active, ours.LIVE)),
    )


def active_signature(store: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `signature_info` of the active manifest: issuer, common_name, alg, maybe time."""
    active = _mapping(store.get("manifests")).get(str(store.get("active_manifest")))
    return _mapping(_mapping(active).get("signature_info"))


def optional_text(value: object) -> str | None:
    """Return a text of bounded length, or None for anything that is not one."""
    return _text(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Mapping[str, Any]]:
    listed = value if isinstance(value, list) else []
    return [item for item in listed[:_MAX_ITEMS] if isinstance(item, Mapping)]


def _text(value: object) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def _named(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    return {name: _text(source.get(name)) or "" for name in names}


def _assertion(manifest: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Return the data of our assertion, only where the signer attests it."""
    for item in _items(manifest.get("assertions")):
        if item.get("label") == label and item.get("created") is True:
            return _mapping(item.get("data"))
    return {}


def _generator(manifest: Mapping[str, Any]) -> str | None:
    for info in _items(manifest.get("claim_generator_info")):
        return _software(info)
    return _text(manifest.get("claim_generator"))


def _software(value: object) -> str | None:
    if isinstance(value, Mapping):
        parts = (_text(value.get("name")), _text(value.get("version")))
        return " ".join(part for part in parts if part) or None
    return _text(value)


def _actions(manifest: Mapping[str, Any]) -> tuple[Action, ...]:
    found = []
    for item in _items(manifest.get("assertions")):
        if str(item.get("label")).startswith("c2pa.actions"):
            found += _items(_mapping(item.get("data")).get("actions"))
    return tuple(_action(action) for action in found[:_MAX_ITEMS])


def _action(action: Mapping[str, Any]) -> Action:
    source = _text(action.get("digitalSourceType"))
    return Action(
        action=_text(action.get("action")) or "unnamed",
        when=_text(action.get("when")),
        software=_software(action.get("softwareAgent")),
        digital_source_type=source.rsplit("/", 1)[-1] if source else None,
        description=_text(action.get("description")),
    )


def _time(
    store: Mapping[str, Any],
    manifest: Mapping[str, Any],
    actions: tuple[Action, ...],
    swap: Mapping[str, Any],
) -> SigningTime:
    stamp = _text(_mapping(manifest.get("signature_info")).get("time"))
    stamp = stamp.replace("+00:00", "Z") if stamp is not None else None
    trusted = "timeStamp.trusted" in other_codes(store)
    stated = [action.when for action in actions if action.when is not None]
    claimed = _text(swap.get("created")) or (stated[-1] if stated else None)
    if stamp is not None and trusted:
        return SigningTime(stamp, time_stamped=True, claimed=claimed, stamp=stamp)
    return SigningTime(claimed or stamp, time_stamped=False, claimed=claimed, stamp=stamp)


def _ingredients(
    manifests: Mapping[str, Any], manifest: Mapping[str, Any], depth: int
) -> tuple[Ingredient, ...]:
    if depth >= _MAX_DEPTH:
        return ()
    found = []
    for item in _items(manifest.get("ingredients")):
        own = _mapping(manifests.get(str(item.get("active_manifest"))))
        present = bool(item.get("active_manifest"))
        found.append(
            Ingredient(
                title=_text(item.get("title")),
                relationship=_text(item.get("relationship")),
                format=_text(item.get("format")),
                manifest="present" if present else "absent",
                integrity=integrity_of(item) if present else None,
                failures=failure_codes(item),
                signer=_text(_mapping(own.get("signature_info")).get("common_name")),
                ingredients=_ingredients(manifests, own, depth + 1),
            )
        )
    return tuple(found)


def _consent(data: Mapping[str, Any]) -> dict[str, str] | None:
    if not data:
        return None
    return {new: _text(data.get(old)) or "" for old, new in _CONSENT_FIELDS.items()}


def _implicit(data: Mapping[str, Any]) -> dict[str, str] | None:
    if not data:
        return None
    return {field.name: _text(data.get(field.name)) or "" for field in fields(ImplicitLabel)}


def _live(data: Mapping[str, Any]) -> Live | None:
    stream, index = _text(data.get("stream")), data.get("index")
    if stream is None or not _is_count(index):
        return None
    begins, length, previous = (data.get(k) for k in ("beginsMs", "lengthMs", "previousSha256"))
    return Live(
        stream=stream,
        part=_text(data.get("part")) or "",
        index=int(index),
        begins=int(begins) if _is_count(begins) else 0,
        length=int(length) if _is_count(length) else 0,
        previous=previous if isinstance(previous, str) and _DIGEST.fullmatch(previous) else "",
        last=data.get("last") is True,
        source=_text(data.get("source")) or "",
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT


def _watermark(data: Mapping[str, Any]) -> str | None:
    if data.get("alg") != ALGORITHM:
        return None
    values = (block.get("value") for block in _items(data.get("blocks")))
    return next((v for v in values if isinstance(v, str) and _WATERMARK.fullmatch(v)), None)


def _visible(data: Mapping[str, Any]) -> dict[str, Any] | None:
    if not data:
        return None
    region = _mapping(data.get("region"))
    numbers = {k: v for k in ("x", "y", "width", "height") if isinstance(v := region.get(k), int)}
    return {
        "text": _text(data.get("text")) or "",
        "corner": _text(data.get("corner")) or "",
        "style": _text(data.get("style")) or "words",
        "region": numbers,
    }
