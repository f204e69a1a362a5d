"""What is said of a bundle: all of its problems, and nothing of one that is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.backends import ort
from edge.bundle.archive import pack
from edge.bundle.checking import read_papers
from edge.bundle.holders import FolderHolder
from edge.bundle.inspection import inspect_bundle
from edge.consent.canonical import utc_now
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import BundleError
from tests.bundles import VARIANT, Made


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    monkeypatch.setattr(ort, "open_session", None)


def test_a_good_one_in_both_shapes(made: Made, tmp_path: Path, edge_home: Path) -> None:
    path = tmp_path / "alice.zip"
    holder = FolderHolder(made.folder)
    seal = (made.folder / "bundle.sig").read_bytes()
    pack(holder, read_papers(holder).contents, path, seal=seal, mode=0o600)
    for place in (made.folder, path):
        found = inspect_bundle(place)
        assert found.problems == ()
        assert found.signer == "this device"
        assert found.consent == made.stage.consent
        assert {model["name"] for model in found.models} == {"tiny_baked", "tiny_detector"}
        json.dumps(found.to_dict())
    assert not list((edge_home / "cache").rglob("bundle.toml")), "nothing is unpacked"


def test_every_problem_is_named(made: Made) -> None:
    made.seal(
        Ed25519PrivateKey.generate(),
        architecture="aarch64",
        target="raspberry_pi",
        variants=[{**VARIANT, "oldest": "99"}],
    )
    (made.folder / "models" / "tiny_baked.onnx").write_bytes(b"x")
    install_revocation(new_revocation(made.stage.consent, operator_key(), load_trust(), "no"))
    found = inspect_bundle(made.folder)
    words = ("was changed", "does not trust", "was revoked", "was built for", "none of the ways")
    assert len(found.problems) == len(words)
    for problem, word in zip(found.problems, words, strict=True):
        assert word in problem
    assert found.signer is None
    assert found.models == ()
    assert found.consent is None


def test_quality_is_shown_where_it_is_told(made: Made) -> None:
    report = {"formats": {"onnx": {"quality": {"worst": {"psnr": 45.5, "ssim": 0.99}}}}}
    for text, rows in (
        (json.dumps(report), {"onnx": {"psnr": 45.5, "ssim": 0.99}}),
        ("[]", {}),
        ("{", {}),
        ('{"formats": [1]}', {}),
        ('{"formats": {"onnx": {"quality": 3}}}', {}),
        (json.dumps(report).replace("45.5", "1" * 400), {"onnx": {"ssim": 0.99}}),
        (json.dumps(report).replace("45.5", "1e999"), {"onnx": {"ssim": 0.99}}),
        (json.dumps(report).replace("45.5", "NaN"), {"onnx": {"ssim": 0.99}}),
    ):
        (made.folder / "quality.json").write_text(text)
        made.seal()
        assert inspect_bundle(made.folder).to_dict()["quality"] == rows


def test_a_seal_of_another_bundle_says_nothing(made: Made) -> None:
    old = (made.folder / "bundle.sig").read_bytes()
    made.seal(title="another", now=utc_now())
    (made.folder / "bundle.sig").write_bytes(old)
    with pytest.raises(BundleError, match="was changed"):
        inspect_bundle(made.folder)
