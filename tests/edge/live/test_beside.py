"""Who may see an original: the operator who is in the picture, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.operator import operator_key
from edge.consent.record import new_consent, save_consent
from edge.consent.terms import Terms
from edge.errors import ConsentError, UsageError
from edge.live.beside import check_beside
from edge.records import MEDIA, Medium
from tests.scene import target, write


def consent(
    folder: Path,
    key: Ed25519PrivateKey,
    *,
    media: tuple[Medium, ...] = MEDIA,
    granted_by: str | None = None,
) -> Path:
    photo = write(folder / "photo.png", target())
    terms = Terms("Op", ("film",), adult=True, intimate=False, media=media, granted_by=granted_by)
    path = folder / "op.json"
    save_consent(new_consent(terms, [photo], key), path, overwrite=True)
    return path


def test_the_operator_s_own_word(edge_home: Path, tmp_path: Path) -> None:
    check_beside(consent(tmp_path, operator_key()))


def test_nobody_else_s(edge_home: Path, tmp_path: Path) -> None:
    operator_key()
    with pytest.raises(UsageError, match="--target-consent"):
        check_beside(None)
    with pytest.raises(ConsentError, match="nobody else"):
        check_beside(consent(tmp_path, Ed25519PrivateKey.generate()))
    with pytest.raises(ConsentError, match="nobody else"):
        check_beside(consent(tmp_path, operator_key(), granted_by="a parent"))
    with pytest.raises(ConsentError, match="'live'"):
        check_beside(consent(tmp_path, operator_key(), media=("picture",)))
