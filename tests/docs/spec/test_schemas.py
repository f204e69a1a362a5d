"""The schemas of docs/spec against what is really written, and the pages against the code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.bundle import contents, holders, seal, tuning
from edge.bundle.opening import open_bundle
from edge.bundle.tuning import save_tuning
from edge.consent import record, revocation
from edge.consent.operator import operator_key
from edge.consent.revocation import new_revocation
from edge.consent.terms import Attestation, Terms
from edge.consent.trust import load_trust
from edge.provenance import manifest
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, MEDIA, PURPOSES
from tests.bundles import VARIANT, Made, bundle
from tests.docs.spec.make_vectors import VECTORS
from tests.scene import stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SPEC = Path(__file__).parents[3] / "docs" / "spec"
SCHEMAS = sorted(path.name for path in SPEC.glob("*.schema.json"))


def schema(name: str) -> Any:
    return json.loads((SPEC / f"{name}.schema.json").read_text(encoding="utf-8"))


def fits(value: Any, name: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(value))


@pytest.fixture
def made(edge_home: Path, tmp_path: Path) -> Made:
    return bundle(edge_home, tmp_path / "work")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(
        json.loads((SPEC / name).read_text(encoding="utf-8"))
    )
    pages = "".join(path.read_text(encoding="utf-8") for path in SPEC.glob("*.md"))
    assert f"({name})" in pages


def test_what_a_bundle_holds(made: Made) -> None:
    toml = tomllib.loads((made.folder / "bundle.toml").read_text(encoding="utf-8"))
    assert fits(toml, "bundle-1")
    assert fits(json.loads((made.folder / "bundle.sig").read_text()), "bundle-seal-1")
    consent = json.loads((made.folder / "consent.json").read_text(encoding="utf-8"))
    assert fits(consent, "consent-1")
    save_tuning(made.folder, open_bundle(made.folder).contents, ["ort"], {"ort": 2})
    written = tuning.tuning_path(made.folder).read_text(encoding="utf-8")
    assert fits(json.loads(written), "tuning-1")


def test_a_revocation_and_a_witnessed_consent(edge_home: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    nobody = stage(edge_home, tmp_path / "stage")
    revoked = new_revocation(nobody.consent, operator_key(), load_trust(), "asked to")
    assert fits(revoked.to_dict(), "revocation-1")
    witness = Attestation("Bob", Ed25519PrivateKey.generate(), "ab" * 32)
    terms = Terms("Alice", ("film",), adult=True, intimate=False, claim="agent-attested")
    photo = tmp_path / "stage" / "photo.png"
    attested = record.new_consent(terms, [photo], operator_key(), attestation=witness).to_dict()
    assert fits(attested, "consent-1")
    assert not fits({**attested, "assurance": {"level": "agent-attested"}}, "consent-1")


BROKEN: dict[str, dict[str, Any]] = {
    "no schema": {"schema": None},
    "another format": {"schema": "edge-swap/bundle-2"},
    "a key that is not known": {"watermark": False},
    "no way to run": {"variants": []},
    "a path up": {"files": [{"path": "../x", "sha256": "0" * 64, "size": 1}]},
    "an absolute path": {"files": [{"path": "/x", "sha256": "0" * 64, "size": 1}]},
    "a path too deep": {"files": [{"path": "a/b/c/d/e", "sha256": "0" * 64, "size": 1}]},
    "a hidden file": {"files": [{"path": ".x", "sha256": "0" * 64, "size": 1}]},
    "its own hash": {"files": [{"path": "bundle.sig", "sha256": "0" * 64, "size": 1}]},
    "a hash in capitals": {"files": [{"path": "x", "sha256": "A" * 64, "size": 1}]},
    "a negative size": {"files": [{"path": "x", "sha256": "0" * 64, "size": -1}]},
    "an unknown engine": {"variants": [{**VARIANT, "engine": "tvm"}]},
    "no provider": {"variants": [{**VARIANT, "providers": []}]},
    "half an API range": {"variants": [{**VARIANT, "api": [27]}]},
    "an unknown processor": {"architecture": "z80"},
    "half an identity": {"identity": {"commitment": "0" * 64}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_schema_and_code_refuse_the_same(made: Made, name: str) -> None:
    import tomli_w

    from edge.errors import BundleError

    values = made.values(**BROKEN[name])
    assert not fits(values, "bundle-1")
    with pytest.raises(BundleError):
        contents.parse_contents(tomli_w.dumps(values).encode(), "x")


def test_what_an_output_carries(made: Made, tmp_path: Path) -> None:
    from edge.jobs.file import swap_file
    from tests.docs.spec.outputs import assertions_of

    swapper = open_bundle(made.folder).swapper(purpose="film", target_is="synthetic")
    output = tmp_path / "out.png"
    done = swap_file(swapper, made.stage.picture(), output)
    data = assertions_of(output)
    jsonschema.validate(data, schema("assertions-1"))
    assert data["org.edge-swap.swap"]["bundle"] == swapper._shelf.bundle
    assert done.record is not None
    assert data["org.edge-swap.swap"]["outputId"] == done.record.output_id
    for label, body in schema("assertions-1")["properties"].items():
        if label.startswith("org.edge-swap.") and label != manifest.LIVE:
            assert set(data[label]) == set(body["properties"]), label


def test_an_older_output_fits_too() -> None:
    from tests.docs.spec.outputs import assertions_of

    data = assertions_of(SPEC.parent / "demo-picture.jpg")
    newer = {"c2pa.soft-binding", "org.edge-swap.implicit-label"}
    whole = schema("assertions-1")
    whole["required"] = [label for label in whole["required"] if label not in newer]
    jsonschema.validate(data, whole)


def test_the_assertions_of_the_vectors() -> None:
    vector = json.loads((VECTORS / "assertions.json").read_text(encoding="utf-8"))
    jsonschema.validate(vector["assertions"], schema("assertions-1"))


def test_numbers_and_words_of_the_pages() -> None:
    bundle_page = (SPEC / "bundle-1.md").read_text(encoding="utf-8")
    for name in (
        contents.SCHEMA,
        seal.SCHEMA,
        tuning.SCHEMA,
        record.SCHEMA,
        record.WITNESS_SCHEMA,
        revocation.SCHEMA,
    ):
        assert name in bundle_page
    flat = re.sub(r"\s+", " ", bundle_page)
    assert f"`bundle.toml` {contents.MOST_CONTENTS >> 20} MiB" in flat
    assert f"`bundle.sig` {seal.MOST_SEAL >> 10} KiB" in flat
    entries, kilobytes = holders._MOST_ENTRIES, holders._MOST_DIRECTORY >> 10
    assert f"at most {entries} entries and {kilobytes} KiB" in flat
    assert f"{contents._MOST_PARTS} files, {contents._MOST_BYTES >> 30} GiB" in flat
    assert f"`signed` + {seal.LIFE.days} days" in flat
    assert f"more than {seal.SKEW.seconds // 60} minutes in the future" in flat
    for words in (PURPOSES, MEDIA):
        assert all(f"`{word}`" in flat for word in words)
    assertions_page = (SPEC / "assertions-1.md").read_text(encoding="utf-8")
    for label in (
        manifest.SWAP,
        manifest.CONSENT,
        manifest.TARGET,
        manifest.LABEL,
        manifest.IMPLICIT,
        manifest.LIVE,
    ):
        assert f"### {label}" in assertions_page
    for word in (*LABEL_LANGUAGES, *LABEL_STYLES):
        assert f"`{word}`" in assertions_page


def test_the_label_s_numbers() -> None:
    from edge.provenance import glyphs, label

    page = re.sub(r"\s+", " ", (SPEC / "assertions-1.md").read_text(encoding="utf-8"))
    assert f"at least {label.INK_SHARE * 100:g} % of the frame's shorter side" in page
    assert f"at least {label.MIN_INK} pixels" in page
    assert f"to {100 - glyphs.PLATE_OPACITY * 100:g} % of its light" in page
    assert f"{label._MARGIN_SHARE * 100:g} % of the shorter side" in page
    for text in glyphs.TEXTS.values():
        assert all(f"`{word}`" in page for word in text.split())
