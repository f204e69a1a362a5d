from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import manifest
from edge.provenance.claims import active_signature, claims_of

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def _store(assertions: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    active = {"assertions": assertions, **more}
    return {"active_manifest": "a", "manifests": {"a": active}}


def test_our_assertions_count_only_when_the_signer_attests_them() -> None:
    consent = {"label": manifest.CONSENT, "data": {"consentId": "c", "assurance": "x"}}
    assert claims_of(_store([consent])).consent is None
    found = claims_of(_store([{**consent, "created": True}])).consent
    assert found is not None
    assert found["id"] == "c"


def test_ingredients_that_contain_themselves_end() -> None:
    loop = {"title": "again", "active_manifest": "a", "validation_results": {}}
    found = claims_of(_store([], ingredients=[loop])).ingredients
    depth = 0
    while found:
        found, depth = found[0].ingredients, depth + 1
    assert depth == 16


def test_long_texts_are_cut_and_many_items_dropped() -> None:
    action = {"action": "x" * 10_000}
    data = {"actions": [action] * 1000}
    claims = claims_of(_store([{"label": "c2pa.actions", "data": data}]))
    assert len(claims.actions) == 100
    assert len(claims.actions[0].action) == 500


@given(
    anything,
    anything,
    st.sampled_from([manifest.SWAP, manifest.CONSENT, manifest.TARGET, manifest.LABEL]),
)
def test_no_shape_raises(data: object, other: object, label: str) -> None:
    ours = {"label": label, "created": True, "data": data}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [data, {"action": other}]}}
    ingredient = {"title": data, "active_manifest": other, "validation_results": data}
    for store in (
        _store([ours, actions], ingredients=[ingredient], claim_generator_info=other),
        _store([{"label": label, "created": True, "data": {"models": [data], "region": other}}]),
        {"manifests": data, "active_manifest": other},
    ):
        claims_of(store)
        active_signature(store)
