"""Renew a bundle: sign it again for as long as its consent allows, without building it again."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.archive import pack
from edge.bundle.builders import check_builder
from edge.bundle.checking import check_parts, consent_of, read_papers
from edge.bundle.contents import SEAL
from edge.bundle.holders import FolderHolder, holder_of
from edge.bundle.seal import Seal, new_seal
from edge.consent.canonical import utc_now
from edge.consent.erase import register_derivative
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key, operator_public_key
from edge.consent.permit import check_in_force
from edge.consent.policy import check_assurance, load_policy
from edge.consent.refusals import recording_refusals
from edge.consent.storage import write_private
from edge.consent.trust import assurance_of, load_trust
from edge.errors import OutputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def renew(path: Path, key: Ed25519PrivateKey | None = None, ledger: Ledger | None = None) -> Seal:
    """Sign a bundle anew. Nothing in it changes but bundle.sig.

    Args:
        path: The bundle's folder, or its .zip file.
        key: The builder's key; this device's by default.
        ledger: The ledger to write to; the device's own by default.

    Returns:
        The new seal.

    Raises:
        BundleError: It was changed, or was not signed by a key that is trusted here.
        ConsentError: The consent of whoever is baked in has ended, or was revoked.
        PolicyError: This device's policy requires more than the consent has.
        OutputError: It cannot be written.
    """
    book = Ledger() if ledger is None else ledger
    signing = operator_key() if key is None else key
    with recording_refusals(book, {"command": "bundle renew", "bundle": str(path)}) as names:
        holder = holder_of(path)
        papers = read_papers(holder)
        check_builder(papers.seal.key, holder.where)
        consent = consent_of(holder, papers)
        if consent is not None:
            names.append(consent.subject)
            trust, whose = load_trust(), f"the consent of {consent.subject}"
            check_in_force(consent, whose, now=utc_now(), trust=trust)
            check_assurance(
                load_policy(), assurance_of(consent, trust, operator_public_key()), whose
            )
        check_parts(holder, papers.contents)
    until = None if consent is None else consent.not_after
    seal = new_seal(papers.contents.id, signing, not_after=until)
    if isinstance(holder, FolderHolder):
        mode = stat.S_IMODE((path / SEAL).stat().st_mode)
        write_private(path / SEAL, seal.to_bytes(), overwrite=True)
        (path / SEAL).chmod(mode)
    else:
        mode = stat.S_IMODE(path.stat().st_mode)
        pack(holder, papers.contents, path, seal=seal.to_bytes(), mode=mode)
    if consent is not None:
        with contextlib.suppress(OutputError):
            register_derivative(papers.contents.identity, path)
    book.event("bundle", {"step": "renewed", "bundle": papers.contents.id, "key": seal.key})
    return seal
