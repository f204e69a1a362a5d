"""Consents and identities of nobody in particular, made the way the product makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.identity import Embedding, Identity, new_identity
from edge.consent.operator import operator_key
from edge.consent.record import Consent, new_consent
from edge.consent.terms import Attestation, Terms

MODEL = "ab" * 32

ConsentMaker = Callable[..., Consent]
IdentityMaker = Callable[..., Identity]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two picture files; only their bytes matter here."""
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number + 1]) * 100)
    return paths


@pytest.fixture
def make_consent(photos: list[Path]) -> ConsentMaker:
    """Make a consent of Alice for film, signed by the operator, unless told otherwise."""

    def make(
        *,
        key: Ed25519PrivateKey | None = None,
        attestation: Attestation | None = None,
        enrollers: tuple[str, ...] = (),
        **terms: Any,
    ) -> Consent:
        filled = {
            "subject": "Alice",
            "purposes": ["film"],
            "adult": True,
            "intimate": False,
            **terms,
        }
        return new_consent(
            Terms(**filled),
            photos,
            key or operator_key(),
            attestation=attestation,
            enrollers=enrollers,
        )

    return make


@pytest.fixture
def make_identity(make_consent: ConsentMaker) -> IdentityMaker:
    """Make an identity whose embedding is one fixed unit vector."""

    def make(consent: Consent | None = None, key: Ed25519PrivateKey | None = None) -> Identity:
        vector = np.random.default_rng(1).normal(size=512)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        embedding = {"ref_embedder": Embedding(MODEL, unit)}
        return new_identity(consent or make_consent(), embedding, key or operator_key())

    return make
