"""How the C2PA library is set up here: no network, no thumbnails, anchors by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge.provenance.certificates import CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION

_TIME_STAMPING = "1.3.6.1.5.5.7.3.8"

_TRUSTED_USES = "\n".join(
    [
        EMAIL_PROTECTION.dotted_string,
        DOCUMENT_SIGNING.dotted_string,
        CLAIM_SIGNING.dotted_string,
        _TIME_STAMPING,
    ]
)
"""Extended key usages that may sign. Without this list the library signs with a claimSigning
certificate and then calls its own signature invalid."""

INGREDIENT = "c2pa.ingredient"
"""Label, without its version, of the assertion that names an ingredient."""

MEMORY_MB = 64
"""A file larger than this is worked on in a temporary file; the library's default is 512."""


def context(anchors: Iterable[str], *, fetch_remote: bool = False) -> Any:
    """Return a `c2pa.Context` for signing or reading.

    Args:
        anchors: PEM texts of the roots to trust; none is trusted otherwise.
        fetch_remote: Whether a manifest behind a URL may be fetched; the library's default is to
            call the server that an unknown file names.
    """
    import c2pa

    settings: dict[str, Any] = {
        "version": 1,
        "builder": {
            "thumbnail": {"enabled": False},  # it would embed the faces
            # What the definition marks `created` is attested anyway; an ingredient has no mark.
            "created_assertion_labels": [INGREDIENT],
        },
        "core": {"backing_store_memory_threshold_in_mb": MEMORY_MB},
        "trust": {"trust_config": _TRUSTED_USES},
        "verify": {
            "verify_after_sign": False,  # its result is not what we ask for: see manifest.sign
            "verify_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": fetch_remote,
        },
    }
    if not fetch_remote:
        settings["core"]["allowed_network_hosts"] = []
    joined = "\n".join(anchors)
    if joined:
        settings["trust"]["user_anchors"] = joined
    return c2pa.Context(c2pa.Settings.from_dict(settings))
