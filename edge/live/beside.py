"""An original beside the stream: for the operator who is in the picture, and for nobody else.

The operator says so with a consent of their own, signed with this device's operator's key, as the
consent of the person in the target. It is looked at with the others while the stream runs.
"""

from __future__ import annotations

from pathlib import Path

from edge.consent.operator import operator_public_key
from edge.consent.record import load_consent
from edge.errors import ConsentError, UsageError


def check_beside(consent: Path | None) -> None:
    """Check that an original may be shown.

    Args:
        consent: Consent file of the person in the picture.

    Raises:
        UsageError: There is none.
        ConsentError: It is not the operator's own.
    """
    if consent is None:
        raise UsageError(
            "--show-original is for the operator who is in the picture: say so with "
            "--target-consent FILE"
        )
    found = load_consent(consent)
    if found.issuer_key != operator_public_key() or found.granted_by != found.subject:
        raise ConsentError(
            f"refused: {consent} was not granted and signed by the operator of this device, and "
            "the original is shown to nobody else"
        )
    if "live" not in found.media:
        raise ConsentError(f"refused: {consent} does not cover the medium 'live'")
