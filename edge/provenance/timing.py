"""What the times around a signature mean, in words: claimed, stamped, expired, revoked."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from edge.provenance.verdict import Signer, SigningTime

_SAME = datetime.timedelta(minutes=5)
"""A stamp this much later than the signer's word was taken with the signature."""


def time_notes(time: SigningTime, signer: Signer, codes: Iterable[str]) -> Iterator[str]:
    """Yield what a reader should know about when a file was signed and by whose clock.

    Args:
        time: Claimed and stamped times.
        signer: Who signed, with the certificate's state.
        codes: The manifest's failure codes.
    """
    expired = "signingCredential.expired" in codes
    yield from _stamp_notes(time)
    if expired:
        yield "the signing certificate has expired, and no trusted time stamp helps"
    elif time.time_stamped and _before(signer.not_after, _now()):
        yield "the signing certificate has expired since; the time stamp shows that it was valid"
    if signer.status == "revoked":
        when = f" on {signer.revoked}" if signer.revoked else ""
        yield f"the signer's certificate was REVOKED{when}, and no earlier time stamp helps"
    elif signer.revoked is not None:
        yield f"the signer's certificate was revoked on {signer.revoked}, after this was signed"


def _stamp_notes(time: SigningTime) -> Iterator[str]:
    if time.spoiled:
        yield "there is a time stamp, but it is spoiled or another signature's: it shows nothing"
    if time.stamp is None:
        return
    by = f" by {time.authority}" if time.authority else ""
    if not time.time_stamped:
        yield (
            f"its time stamp{by} ({time.stamp}) is of an authority that this device does not know"
        )
    stamp, claimed = parse(time.stamp), parse(time.claimed)
    if stamp is None or claimed is None:
        return
    if stamp - claimed > _SAME:
        yield (
            f"the time stamp came later, {in_words(stamp - claimed)} after the time that the "
            "signer states: it shows that the file was there by then, no more"
        )
    elif claimed - stamp > _SAME:
        yield "the signer states a later time than the time stamp: one of the clocks was wrong"


def parse(text: str | None) -> datetime.datetime | None:
    """Return an RFC 3339 text as an aware time, or None for what is none."""
    try:
        moment = datetime.datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def utc_seconds(moment: datetime.datetime) -> str:
    """Return an aware time as RFC 3339 text in UTC, whole seconds."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_words(span: datetime.timedelta) -> str:
    """Return a span in its largest unit: days, hours or minutes."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(span.total_seconds()) // size
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _before(text: str | None, moment: datetime.datetime) -> bool:
    parsed = parse(text)
    return parsed is not None and parsed < moment


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
