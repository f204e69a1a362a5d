"""What counts as a refusal, and how every one of them gets its line in the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from edge.consent.ledger import Ledger
from edge.errors import (
    BundleError,
    ConsentError,
    EdgeError,
    FaceCountError,
    LabelError,
    NoFaceError,
    PhotoError,
    PolicyError,
)

__all__ = ["REFUSALS", "recording_refusals"]

REFUSALS = (
    BundleError,
    ConsentError,
    FaceCountError,
    LabelError,
    NoFaceError,
    PhotoError,
    PolicyError,
)
"""Errors that are refusals, and get a line: no leave, a photo that will not do, no room for the
label, a bundle that was changed or is not trusted. Others (a full disk) are mishaps."""


@contextlib.contextmanager
def recording_refusals(
    ledger: Ledger, asked: Mapping[str, str], names: Iterable[str] = ()
) -> Iterator[list[str]]:
    """Write every refusal of the body into the ledger, and pass it on.

    Messages name people, so that one knows whose consent has expired; a log must not.

    Args:
        ledger: The ledger.
        asked: What was asked for.
        names: People whose names are left out of the reason.

    Yields:
        These names; the body adds those that it learns.

    Raises:
        EdgeError: Whatever the body raises.
    """
    private = list(names)
    try:
        yield private
    except REFUSALS as error:
        with contextlib.suppress(EdgeError):  # the refusal stands, entry or not
            ledger.refusal(error, asked, private)
        raise
