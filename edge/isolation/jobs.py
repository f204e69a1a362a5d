"""What a child can be asked to do, by name; each takes what JSON can hold and gives the same.

A job imports what it needs when it is called: the command line loads all of it before it starts a
child, a fresh interpreter only what its one job takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.isolation.confine import Confined
from edge.isolation.wire import packed

Job = Callable[[Mapping[str, Any], Confined], tuple[Any, bytes]]


def _verify(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    from edge.provenance.verify import verify_file

    path, fetch = Path(arguments["path"]), bool(arguments["fetch_remote"])
    return packed(verify_file(path, fetch_remote=fetch)), b""


def _shots(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    from edge.evidence.shots import shots_of
    from edge.isolation.looking import ShotHead

    shots = shots_of(Path(arguments["path"]), str(arguments["media_type"]))
    heads = [ShotHead(shot.size, shot.second, shot.label, len(shot.jpeg)) for shot in shots]
    return packed(heads), b"".join(shot.jpeg for shot in shots)


def _picture(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    from edge.isolation.looking import PictureHead
    from edge.media.image import read_picture

    picture = read_picture(Path(arguments["path"]))
    height, width = picture.frame.shape[:2]
    alpha = b"" if picture.alpha is None else picture.alpha.tobytes()
    icc = picture.icc or b""
    head = PictureHead(height, width, len(alpha), len(icc), picture.media_type, picture.sha256)
    return packed(head), picture.frame.tobytes() + alpha + icc


def _confined(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    return asdict(confined), b""


JOBS: dict[str, Job] = {
    "confined": _confined,
    "picture": _picture,
    "shots": _shots,
    "verify": _verify,
}
