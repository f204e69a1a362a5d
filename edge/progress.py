"""Progress of long work: a bar with frames per second and time left, on standard error.

Stages report through `Progress`, a plain function, so that they know nothing of terminals.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from edge.harmless import one_line, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress(Protocol):
    """Told after each piece of work."""

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """Take the state of the work.

        Args:
            done: Pieces finished so far.
            total: All pieces, or None when that is not known.
            what: The piece in hand, e.g. a file name.
        """


_MAKE_A_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE")  # what makes rich take any stream for one


def _watched() -> bool:
    """Return whether a bar may be seen: rich takes a twentieth of a second to be asked itself."""
    try:
        return any(map(os.environ.get, _MAKE_A_TERMINAL)) or raw(sys.stderr).isatty()
    except ValueError:  # it is closed
        return False


def silent(done: int, total: int | None, what: str) -> None:
    """Report nothing."""


@contextmanager
def bytes_bar(title: str, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar of bytes on standard error while the block runs; else as `bar`."""
    if quiet or not _watched():
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress

    console = Console(file=raw(sys.stderr))
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(one_line(title), total=None)

        def report(done: int, total: int | None, what: str) -> None:
            shown.update(task, completed=done, total=total)

        yield report


@contextmanager
def bar(title: str, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar on standard error while the block runs.

    Args:
        title: What is going on.
        quiet: Show nothing (output for machines). Nothing is shown either when standard error is
            not a terminal, so that logs stay readable.

    Yields:
        The function to report to. The bar appears at its first call, so that work that is done in
        an instant shows none.
    """
    with _bars((title,), quiet) as (progress,):
        yield progress


@contextmanager
def nested_bars(title: str, inner: str, quiet: bool) -> Iterator[tuple[Progress, Progress]]:
    """Show two bars, one below the other: all the work, and the piece in hand; else as `bar`.

    Args:
        title: What is going on.
        inner: What is going on in the piece in hand. Its bar is seen while the piece lasts.
        quiet: Show nothing.

    Yields:
        The functions to report to: of all the work, and of the piece in hand.
    """
    with _bars((title, inner), quiet) as (outer, piece):
        yield outer, piece


@contextmanager
def _bars(titles: tuple[str, ...], quiet: bool) -> Iterator[list[Progress]]:
    if quiet or not _watched():
        yield [silent] * len(titles)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class _Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:5.1f}/s" if speed else "    -/s", style="progress.data.speed")

    console = Console(file=raw(sys.stderr))
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with RichProgress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        yield [_row(shown, title, stays=row == 0) for row, title in enumerate(titles)]


def _row(shown: RichProgress, title: str, *, stays: bool) -> Progress:
    """Return the function that reports to one bar of `shown`."""
    task: TaskID | None = None
    last = 0

    def report(done: int, total: int | None, what: str) -> None:
        nonlocal task, last
        if task is None:
            task = shown.add_task(title, total=total)
        elif done < last:
            shown.reset(task)  # the next step, with a pace of its own
        last = done
        shown.update(
            task,
            completed=done,
            total=total,
            description=one_line(f"{title} {what}"),
            visible=stays or done != total,
        )

    return report
