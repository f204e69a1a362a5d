"""What every engine looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from edge.errors import BackendError
from edge.providers import CPU_PROVIDER

__all__ = [
    "CPU_PROVIDER",
    "Run",
    "Session",
    "check_feeds",
    "first_line",
    "has_free_batch",
    "last_run",
]

Run = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]


def first_line(error: BaseException) -> str:
    """Return the first line of an engine's message: what follows it is for the engine's makers."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def check_feeds(model: str, inputs: Sequence[str], feeds: Iterable[str]) -> None:
    """Check that a model is fed what it takes, by name.

    Args:
        model: Its file, for the message.
        inputs: Names of its inputs.
        feeds: Names of what it is given.

    Raises:
        BackendError: One is missing, or there is one more.
    """
    given = tuple(feeds)
    if set(given) != set(inputs):
        raise BackendError(f"{model}: inputs are {', '.join(inputs)}, not {', '.join(given)}")


def has_free_batch(session: Session) -> bool:
    """Return whether an open model takes any number of samples in one run.

    A session says so as `free_batch`; one that does not say takes one.
    """
    return bool(getattr(session, "free_batch", False))


def last_run(session: Session) -> Run:
    """Return what runs a model when no run as large as those before will follow soon.

    An engine that keeps memory for the next run has a `run_last`, which gives back what it does
    not use any more; for others it is their `run`.
    """
    run: Run = getattr(session, "run_last", session.run)
    return run


class Session(Protocol):
    """A model, opened in an engine and ready to run.

    Attributes:
        inputs: Names of the inputs.
        outputs: Names of the outputs, in the order in which `run` returns them.
        engine: Name of the backend: ort, litert, tflite.
        engine_version: Version of the engine's package.
        provider: The provider that really runs the model.
    """

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def engine(self) -> str: ...

    @property
    def engine_version(self) -> str: ...

    @property
    def provider(self) -> str: ...

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model once.

        Args:
            feeds: One array per input, by name; pictures are float32 (1, C, H, W) whatever
                layout the engine works in.

        Returns:
            One array per output, in the order of `outputs`; pictures again (1, C, H, W).

        Raises:
            BackendError: The engine refused; the message names the model and the reason.
        """
