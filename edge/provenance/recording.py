"""A recording of a live stream: its segments name each other's hashes, so that a gap shows.

Each segment states its stream, its place in it, the hash of the file before it, and whether it is
the last. A recording is whole when the places are 0 to the last without a gap, every hash is that
of the file before, and one device signed them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.provenance.container import sniff
from edge.registry import sha256_of

if TYPE_CHECKING:
    from edge.provenance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream's segments in a folder.

    Attributes:
        stream: The stream's id, as the segments state it.
        segments: Files, in their order.
        seconds: Their length, added up.
        removed: How many are not there because the device that made them kept a recording within a
            size, as its ledger says; they are those before the first of `segments`.
        problems: What is wrong with the chain; empty for a whole recording.
    """

    stream: str
    segments: tuple[str, ...]
    seconds: float
    removed: int
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, and nothing was put between."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return it as `edge verify --json` prints it."""
        return {**asdict(self), "whole": self.whole}


@dataclass(frozen=True, slots=True)
class _Segment:
    file: str
    index: int
    previous: str
    last: bool
    length: int
    sha256: str
    certificate: str | None


def media_in(folder: Path) -> list[Path]:
    """Return the pictures, videos and sounds in a folder, by name; hidden files are left alone.

    Raises:
        OSError: The folder cannot be read.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                known = sniff(file.read(64)) is not None
        except OSError:
            known = True  # verifying it will say what is wrong
        if known:
            found.append(path)
    return found


def recordings_of(
    verdicts: Iterable[Verdict],
    entered: Sequence[tuple[str, int]] = (),
    removed: Mapping[tuple[str, int], str] | None = None,
) -> list[Recording]:
    """Put segments together to recordings, and say of each whether it is whole.

    Args:
        verdicts: Of the files of one folder; those that are no segments are left alone.
        entered: Stream and place of every segment that a ledger knows of, where one was asked.
        removed: The hash of every segment, by stream and place, that it says was removed.
    """
    streams: dict[str, list[_Segment]] = {}
    changed: dict[str, list[str]] = {}
    for verdict in verdicts:
        live = verdict.claims.live if verdict.claims is not None else None
        if live is None or live.part != "segment":
            continue
        if verdict.integrity != "intact" or verdict.problem is not None:
            changed.setdefault(live.stream, []).append(verdict.file)
            continue
        certificate = verdict.signer.certificate_sha256 if verdict.signer is not None else None
        streams.setdefault(live.stream, []).append(
            _Segment(
                verdict.file,
                live.index,
                live.previous,
                live.last,
                live.length,
                sha256_of(Path(verdict.file)),
                certificate,
            )
        )
    return [
        _recording(stream, streams.get(stream, []), changed.get(stream, []), entered, removed or {})
        for stream in dict.fromkeys((*streams, *changed))
    ]


def _recording(
    stream: str,
    segments: list[_Segment],
    changed: list[str],
    entered: Sequence[tuple[str, int]],
    removed: Mapping[tuple[str, int], str],
) -> Recording:
    ordered = sorted(segments, key=lambda segment: (segment.index, segment.file))
    problems = [f"{Path(file).name} was changed, and is not counted" for file in changed]
    before = _removed_before(stream, ordered, removed)
    problems += _gaps(ordered, before)
    problems += _breaks(ordered)
    if len({segment.certificate for segment in ordered}) > 1:
        problems.append("its segments are not all signed by one certificate")
    problems += _end(stream, ordered, entered)
    return Recording(
        stream=stream,
        segments=tuple(segment.file for segment in ordered),
        seconds=sum(segment.length for segment in ordered) / 1000,
        removed=before,
        problems=tuple(problems),
    )


def _removed_before(
    stream: str, ordered: Sequence[_Segment], removed: Mapping[tuple[str, int], str]
) -> int:
    """Return how many segments before the first were removed by the device itself: all, or none."""
    first = ordered[0] if ordered else None
    if first is None or not all((stream, place) in removed for place in range(first.index)):
        return 0
    if first.index and removed[stream, first.index - 1] != first.previous:
        return 0
    return first.index


def _gaps(ordered: Sequence[_Segment], expected: int) -> list[str]:
    """Return what is missing or there twice, from the place on at which the first should be."""
    problems = []
    for segment in ordered:
        if segment.index > expected:
            problems.append(f"{_numbers(expected, segment.index - 1)} missing")
        elif segment.index < expected:
            problems.append(f"{Path(segment.file).name} is a second segment {segment.index}")
        expected = max(expected, segment.index + 1)
    return problems


def _numbers(first: int, last: int) -> str:
    return f"segment {first} is" if first == last else f"segments {first} to {last} are"


def _breaks(ordered: Sequence[_Segment]) -> list[str]:
    problems = []
    for before, after in pairwise(ordered):
        if after.index == before.index + 1 and after.previous != before.sha256:
            problems.append(
                f"segment {after.index} names another file before it than segment {before.index}"
            )
        if before.last and after.index > before.index:
            problems.append(f"segment {before.index} says that it is the last, and more follow")
    if ordered and ordered[0].index == 0 and ordered[0].previous:
        problems.append("segment 0 names a file before it")
    return problems


def _end(stream: str, ordered: Sequence[_Segment], entered: Sequence[tuple[str, int]]) -> list[str]:
    if not ordered:
        return []
    newest = ordered[-1].index
    known = max((place for named, place in entered if named == stream), default=newest)
    if known > newest:
        return [f"{_numbers(newest + 1, known)} missing at the end: the ledger knows of more"]
    if not ordered[-1].last:
        return [
            f"its end is missing: segment {newest} is not the last one; it was interrupted (a "
            "loss of power), or segments were removed"
        ]
    return []
