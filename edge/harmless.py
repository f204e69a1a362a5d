"""Text of others, made harmless before people see it.

File names, manifests, metadata, cards and messages of other libraries can hold anything: sequences
that move a terminal's cursor or set its title, marks that turn the direction of writing, scripts.
Everything that the command line prints goes through `harmless_streams`; `one_line` is for pieces of
a line, and `html_text` for pages.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


def one_line(text: str) -> str:
    """Return `text` as one printable line: control characters and bidi marks become escapes."""
    return _escaped(" ".join(text.split()), " ")


def harmless(text: str) -> str:
    """Return `text` with its lines as they are, and all else that is not printed escaped."""
    return _escaped(text, " \n\t")


def html_text(text: str) -> str:
    """Return `text` as one line of HTML text or attribute: no markup, no turned writing."""
    return html.escape(one_line(text))


def _escaped(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char
        if char in kept or char.isprintable()
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class HarmlessStream:
    """A text stream that lets through what prints, and line ends; see `harmless`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write `text`; return its length, as streams do."""
        self.stream.write(harmless(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them all."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def raw(stream: TextIO) -> TextIO:
    """Return the stream beneath, for a library that draws on terminals itself."""
    return stream.stream if isinstance(stream, HarmlessStream) else stream


@contextmanager
def harmless_streams() -> Iterator[None]:
    """Make standard output and standard error harmless while the block runs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, HarmlessStream(raw(stream))) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
