"""What a child can be asked to do, by name; each takes what JSON can hold and gives the same.

A job imports what it needs when it is called: the command line loads all of it before it starts a
child, a fresh interpreter only what its one job takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
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


_ENGINES = {
    ".onnx": ("ort",),
    ".ort": ("ort",),
    ".tflite": ("litert", "tflite"),
    ".mnn": ("mnn",),
    ".ncnn": ("ncnn",),
}
"""Engines of each kind of file; the first one that is here is taken."""


def _model(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    """Open a model file and run it once on zeros; whatever the engine says is no answer of ours."""
    from edge.backends import installed_version, open_session

    path = Path(arguments["path"])
    backends = _ENGINES.get(path.suffix) or _by_content(path)
    backend = next((each for each in backends if installed_version(each)), None)
    if backend is None:
        return "no engine for it", b""
    try:
        session: Any = open_session(path, backend=backend, threads=1)
        session.run(session.blank())
    except EdgeError as error:
        if "alloc" in str(error):  # bad_alloc, "Failed to allocate memory": the limit is reached
            raise MemoryError from error
        return f"refused: {error}", b""
    return "ran", b""


def _by_content(path: Path) -> tuple[str, ...]:
    """Return the engines of a file whose name does not say what it is."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return ()
    return _ENGINES[".tflite"] if head[4:] == b"TFL3" else _ENGINES[".onnx"]


def _confined(arguments: Mapping[str, Any], confined: Confined) -> tuple[Any, bytes]:
    return asdict(confined), b""


JOBS: dict[str, Job] = {
    "confined": _confined,
    "model": _model,
    "picture": _picture,
    "shots": _shots,
    "verify": _verify,
}
