"""PyAV, where it is installed, and what its errors mean."""

from __future__ import annotations

from types import ModuleType

from edge.errors import EngineMissing


def load_av() -> ModuleType:
    """Return the module `av`.

    Raises:
        EngineMissing: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise EngineMissing("videos need PyAV: pip install 'edge-swap[video]'") from error
    module: ModuleType = av
    return module


def reason(error: BaseException) -> str:
    """Return an FFmpeg error as half a sentence, without the file name that PyAV adds."""
    said = getattr(error, "strerror", None) or str(error)
    return said[:1].lower() + said[1:]
