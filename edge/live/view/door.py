"""The page's port, which knows who came in and sees them out when the page stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

_LONGEST = 0.5  # seconds that connections may take to be gone


class Door(socket.socket):
    """A listening socket that can end the connections that it has let in.

    A server says goodbye over TLS and stops without waiting for the answer: the connection of a
    browser that gives none would stay open for as long as this process runs.
    """

    def __init__(self, family: socket.AddressFamily) -> None:
        # The protocol is named, or asyncio leaves Nagle's algorithm on, and every picture waits
        # 40 ms for the acknowledgement of its own headers.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._guests: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Let the next one in."""
        guest, address = super().accept()
        self._guests.add(guest)
        return guest, address

    def _open(self) -> list[socket.socket]:
        return [guest for guest in self._guests if guest.fileno() != -1]

    async def hang_up(self) -> None:
        """End all connections, and let the event loop take note of it."""
        for guest in self._open():
            with contextlib.suppress(OSError):  # it has left by itself
                guest.shutdown(socket.SHUT_RDWR)
        end = asyncio.get_running_loop().time() + _LONGEST
        while self._open() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)


def server_behind(door: Door, config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that leaves no connection open when it stops."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            await door.hang_up()

    return Server(config)
