"""Look at a file that is not trusted without opening it in this process.

What the child says is as untrusted as the file; nothing but the checked records of it is used. A
child that crashes, hangs or wants too much is a finding about the file, and no error of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import MediaError, ModelError
from edge.isolation.bounds import Bounds, time_for
from edge.isolation.run import ANSWER, Ended, Request, Start, ask, spawned
from edge.isolation.wire import WireError, unpacked

if TYPE_CHECKING:
    from edge.evidence.shots import Shot
    from edge.media.image import Picture
    from edge.provenance.seen import SeenLabel
    from edge.provenance.verdict import Verdict

_HOSTILE = "the file is broken, or made to do this"


@dataclass(frozen=True, slots=True)
class ShotHead:
    """A thumbnail without its bytes; see `edge.evidence.shots.Shot`."""

    size: tuple[int, int]
    second: float | None
    label: SeenLabel | None
    jpeg: int


@dataclass(frozen=True, slots=True)
class PictureHead:
    """A picture without its pixels; see `edge.media.image.Picture`. Lengths are in bytes."""

    height: int
    width: int
    alpha: int
    icc: int
    media_type: str
    sha256: str


def verify_isolated(
    path: Path | str, *, fetch_remote: bool = False, start: Start = spawned
) -> Verdict:
    """Find out what can be known about a file, in a child process that can reach nothing else.

    The same as `verify_file`, for a file that may have been made to attack who looks at it. The
    child has limits of memory and time, no network (but with `fetch_remote`), and where the kernel
    has Landlock a view of this file alone.

    Args:
        path: Any file. A `.c2pa` file beside it is read as well.
        fetch_remote: Whether a manifest that the file only names by URL may be fetched.
        start: How the child is started.

    Returns:
        The verdict; with exit status 2, and why, where the child crashed, hung or took too much.
    """
    from edge.provenance.verdict import NOT_MEDIA, Verdict
    from edge.provenance.watermark.detect import Found

    path = Path(path)
    request = Request(
        "verify",
        {"path": str(path), "fetch_remote": fetch_remote},
        bounds=_bounds(path),
        reads=_with_sidecars(path),
        network=fetch_remote,
    )
    try:
        done, _ = ask(request, start)
        verdict = unpacked(Verdict, done, {"Found": Found})
    except Ended as ended:
        problem = f"the isolated process that looked at it {ended}: {_HOSTILE}"
    except WireError:
        problem = f"the isolated process that looked at it answered nonsense: {_HOSTILE}"
    else:
        return replace(verdict, file=str(path))
    return Verdict(file=str(path), exit_status=NOT_MEDIA, problem=problem)


def read_picture_isolated(path: Path | str, start: Start = spawned) -> Picture:
    """Read a picture as `read_picture` does, decoded by a child process.

    Raises:
        MediaError: As `read_picture`; or the child crashed, hung or took too much.
    """
    import numpy as np

    from edge.limits import device_limits
    from edge.media.image import Picture

    path = Path(path)
    most = device_limits().picture
    request = Request(
        "picture",
        {"path": str(path)},
        bounds=_bounds(path),
        reads=(str(path),),
        answer=4 * most.max_pixels + ANSWER,
    )
    try:
        done, data = ask(request, start)
        head = unpacked(PictureHead, done)
        count = head.height * head.width
        good = most.complaint(head.width, head.height) is None and head.alpha in (0, count)
        if not good or len(data) != 3 * count + head.alpha + max(head.icc, 0):
            raise WireError("sizes")
    except Ended as ended:
        raise MediaError(
            f"{path}: the isolated process that decoded it {ended}: {_HOSTILE}"
        ) from ended
    except WireError as error:
        raise MediaError(
            f"{path}: the isolated process that decoded it answered nonsense: {_HOSTILE}"
        ) from error
    pixels = np.frombuffer(data, np.uint8)
    alpha = pixels[3 * count :][: head.alpha]
    return Picture(
        frame=pixels[: 3 * count].reshape(head.height, head.width, 3).copy(),
        alpha=alpha.reshape(head.height, head.width).copy() if head.alpha else None,
        media_type=head.media_type,
        sha256=head.sha256,
        icc=data[3 * count + head.alpha :] or None,
    )


def shots_isolated(path: Path, media_type: str, start: Start = spawned) -> tuple[Shot, ...]:
    """Return a file's thumbnails as `shots_of` does, made by a child process.

    Args:
        path: The file.
        media_type: Of its content.
        start: How the child is started.
    """
    from edge.evidence.shots import Shot
    from edge.provenance.seen import SeenLabel

    arguments = {"path": str(path), "media_type": media_type}
    request = Request("shots", arguments, bounds=_bounds(path), reads=(str(path),))
    try:
        done, data = ask(request, start)
        heads = [unpacked(ShotHead, each, {"SeenLabel": SeenLabel}) for each in _listed(done)]
    except (Ended, WireError):
        return ()  # the verdict says what is wrong with it
    shots = []
    for head in heads:
        jpeg, data = data[: max(head.jpeg, 0)], data[max(head.jpeg, 0) :]
        if jpeg.startswith(b"\xff\xd8\xff"):
            shots.append(Shot(jpeg, head.size, head.second, head.label))
    return tuple(shots)


def try_model_isolated(path: Path, start: Start = spawned) -> None:
    """Have a child open a model file in its engine and run it once, before this process does.

    An engine's own complaint is left to who opens the file here; this is about files that take the
    engine's process down, or all memory.

    Args:
        path: The file; what lies beside it may be read too.
        start: How the child is started.

    Raises:
        ModelError: The child crashed, hung or took too much.
    """
    beside = str(path.resolve().parent)
    request = Request("model", {"path": str(path)}, bounds=_bounds(path), reads=(str(path), beside))
    try:
        ask(request, start)
    except Ended as ended:
        raise ModelError(
            f"{path}: the isolated process that tried it {ended}: the model is broken, or made to "
            "do this; it is not opened here"
        ) from ended


def try_stranger_isolated(path: Path, start: Start = spawned) -> None:
    """Have a child run a model file once, unless a card states its hash; see `try_model_isolated`.

    Args:
        path: The file; one that is not there is left to who opens it.
        start: How the child is started.

    Raises:
        ModelError: The child crashed, hung or took too much.
    """
    from edge.cards import all_cards
    from edge.isolation.whole import is_inside
    from edge.registry import sha256_of

    if is_inside():
        return  # of --isolate: all of the command is in a child
    try:
        digest = sha256_of(path)
    except OSError:
        return
    if not any(card.sha256 == digest for card in all_cards().values()):
        try_model_isolated(path, start)


def _listed(done: Any) -> list[Any]:
    if not isinstance(done, list) or len(done) > 16:
        raise WireError("no list")
    return done


def _bounds(path: Path) -> Bounds:
    from edge.limits import device_limits

    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        size = 0
    most = device_limits().child
    return replace(most, seconds=time_for(size, most.seconds))


def _with_sidecars(path: Path) -> tuple[str, ...]:
    beside = (path.with_name(f"{path.name}.c2pa"), path.with_suffix(".c2pa")) if path.name else ()
    return (str(path), *map(str, beside))
