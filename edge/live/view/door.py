"""The page's port: it knows who came in, makes room for who comes next, and sees guests out."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import weakref
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

    from edge.live.view.guard import App, Receive, Scope, Send

MOST = 64
"""Connections in all: who comes next takes the place of the one that does least."""

MOST_OF_ONE = 16
"""Connections of one address on the network; a page needs four."""

FIRST = 5.0
"""Seconds that a connection has for its first whole request, and for TLS before that."""

NEXT = 10
"""Seconds from an answer to the next whole request."""

ANSWER = 180.0
"""Seconds from a request to the end of its answer, also where nobody reads it."""

_LONGEST = 0.5  # seconds that connections may take to be gone


@dataclass(eq=False, slots=True)
class _Guest:
    """A connection.

    Attributes:
        line: Its socket.
        party: Whose connections are counted together with it; None for this machine's own.
        at: When it came, asked or was answered, whichever was last.
        until: When it is hung up on, unless something happens before.
        let_in: Whether a request of it was let through.
        asking: Whether one is being answered now.
    """

    line: socket.socket
    party: str | None
    at: float = field(default_factory=monotonic)
    until: float = field(init=False)
    let_in: bool = False
    asking: bool = False

    def __post_init__(self) -> None:
        self.until = self.at + FIRST

    def asks(self) -> None:
        """Note a request that was let through."""
        self.let_in, self.asking, self.at = True, True, monotonic()
        self.until = self.at + ANSWER

    def answered(self) -> None:
        """Note the end of its answer."""
        self.asking, self.at = False, monotonic()
        self.until = self.at + NEXT

    def worth(self) -> tuple[bool, bool, float]:
        """Return what decides who goes first: strangers, then who asks nothing, the oldest."""
        return self.let_in, self.asking, self.at


class Door(socket.socket):
    """A listening socket that knows the connections it has let in, and can end them.

    A socket that stays open costs whoever opened it nothing, and needs no token. So one that asks
    for nothing is hung up on, and however many there are, the next one still comes in.

    A server says goodbye over TLS and stops without waiting for the answer: the connection of a
    browser that gives none would stay open for as long as this process runs.
    """

    def __init__(self, family: socket.AddressFamily) -> None:
        # The protocol is named, or asyncio leaves Nagle's algorithm on, and every picture waits
        # 40 ms for the acknowledgement of its own headers.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._guests: dict[tuple[str, int], _Guest] = {}  # by address and port
        self._leaving: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Let the next one in, in the place of another where there is no room."""
        line, address = super().accept()
        guest = _Guest(line, _party(address[0]))
        self._make_room(guest.party)
        self._guests[address[:2]] = guest
        return line, address

    def noting(self, site: App) -> App:
        """Return a site whose requests are noted: each gives its connection more time.

        Args:
            site: The site, inside of the guard: what the guard refuses gives no more time.
        """

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            host, port = scope.get("client") or ("", 0)
            guest = self._guests.get((host, port))
            if guest is None:  # hung up on a moment ago
                await site(scope, receive, send)
                return
            guest.asks()
            try:
                await site(scope, receive, send)
            finally:
                guest.answered()

        return noted

    def see_out(self) -> None:
        """Hang up on those whose time is over."""
        now = monotonic()
        for guest in self._here():
            if guest.until <= now:
                self._hang_up_on(guest)

    async def hang_up(self) -> None:
        """End all connections, and let the event loop take note of it."""
        for guest in self._here():
            self._hang_up_on(guest)
        end = asyncio.get_running_loop().time() + _LONGEST
        while self._open() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)

    def _make_room(self, party: str | None) -> None:
        here = self._here()
        same = [guest for guest in here if party is not None and guest.party == party]
        if len(same) >= MOST_OF_ONE:
            self._hang_up_on(min(same, key=_Guest.worth))
        elif len(here) >= MOST:
            self._hang_up_on(min(here, key=_Guest.worth))

    def _here(self) -> list[_Guest]:
        """Return who is here, and forget who has left."""
        self._guests = {at: each for at, each in self._guests.items() if each.line.fileno() != -1}
        return list(self._guests.values())

    def _hang_up_on(self, guest: _Guest) -> None:
        self._guests = {at: each for at, each in self._guests.items() if each is not guest}
        self._leaving.add(guest.line)
        with contextlib.suppress(OSError):  # it has left by itself
            guest.line.shutdown(socket.SHUT_RDWR)

    def _open(self) -> bool:
        return any(line.fileno() != -1 for line in self._leaving)


def _party(host: str) -> str | None:
    """Return whose connections are counted together: an address's, or an IPv6 network's.

    This machine's own are not: a proxy here, or the end of an SSH tunnel, may carry everybody's.
    """
    found = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            # Whoever has one address of a /64 has all of them.
            network = ipaddress.ip_network((found, 64), strict=False)
            return None if found.is_loopback else str(network)
        found = found.ipv4_mapped
    return None if found.is_loopback else str(found)


def server_behind(door: Door, config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that sees out who asks nothing, and leaves nobody behind when it stops."""
    import uvicorn

    class Server(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            door.see_out()
            return await super().on_tick(counter)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            await door.hang_up()

    return Server(config)
