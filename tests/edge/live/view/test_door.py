"""Nobody is left on the line when the page stops, and nobody keeps others out while it runs."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.live.health import HealthWatch
from edge.live.session import Plan
from edge.live.view import door as module
from edge.live.view.door import MOST, MOST_OF_ONE, Door
from edge.live.view.server import Listen, ViewServer, take_port
from edge.live.watched import Watched
from tests.live import session
from tests.scene import stage


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_does_not_say_goodbye_is_hung_up_on(host: str, edge_home: Path, tmp_path: Path) -> None:
    listen = Listen(host, port=0)
    watched = Watched(session(stage(edge_home, tmp_path / "work"), Plan(show=True)), HealthWatch())
    with ExitStack() as stack:
        taken = stack.enter_context(take_port(listen))
        with ViewServer(watched, listen, taken):
            there = ("127.0.0.1", taken.getsockname()[1])
            silent = stack.enter_context(socket.create_connection(there, 5))
            guest = stack.enter_context(socket.create_connection(there, 5))
            if not listen.loopback:
                guest = stack.enter_context(trusting().wrap_socket(guest))
            guest.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            assert guest.recv(5) == b"HTTP/"
        gc.collect()  # a connection that was left open is a warning here, and so an error
        assert silent.recv(1) == b""


def test_guests_that_have_left_are_no_matter() -> None:
    with Door(socket.AF_INET) as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        with socket.create_connection(door.getsockname()), door.accept()[0]:
            pass
        with socket.create_connection(door.getsockname()) as left:
            guest, _ = door.accept()
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with guest:  # it was reset from the other side
            asyncio.run(door.hang_up())


STATUS = b"GET /status HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
REFUSED = b"POST /stop HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 0\r\n\r\n"


class House:
    """A page without pictures."""

    broadcast = None

    def status(self) -> dict[str, Any]:
        return {"state": "running"}

    def stop(self, reason: str) -> None: ...


class Guests:
    """Who comes to a page that is served."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self.port, self._stack = port, stack

    def come(self, source: str = "127.0.0.1") -> socket.socket:
        there = ("127.0.0.1", self.port)
        made = socket.create_connection(there, 5, source_address=(source, 0))
        return self._stack.enter_context(made)

    def ask(self, guest: socket.socket, request: bytes = STATUS) -> bytes:
        """Ask for something; return the status, once all of the answer is here."""
        guest.sendall(request % self.port)
        head, body = b"", b""
        while not head:
            body += guest.recv(4096)
            head, _, body = body.rpartition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        while length is not None and len(body) < int(length[1]):
            body += guest.recv(4096)
        return head[9:12]


Serve = Callable[..., Guests]


@pytest.fixture
def served(edge_home: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(host: str = "127.0.0.1") -> Guests:
            listen = Listen(host, port=0)
            taken = stack.enter_context(take_port(listen))
            stack.enter_context(ViewServer(House(), listen, taken))
            return Guests(taken.getsockname()[1], stack)

        yield start


def left(guest: socket.socket) -> bool:
    """Whether a guest has been hung up on."""
    guest.settimeout(0.05)
    try:
        return guest.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def dribbling(guest: socket.socket, seconds: float) -> float:
    """Send one byte after another until hung up on; return after how long that was."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        try:
            guest.sendall(b"G")
        except ConnectionError:
            break
        if left(guest):
            break
    return time.monotonic() - begin


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_asks_nothing_is_hung_up_on(
    host: str, served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 0.4)
    guests = served(host)
    silent = guests.come()
    assert not left(silent)
    silent.settimeout(3)
    assert silent.recv(1) == b""


def test_bytes_that_are_no_request_gain_no_time(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 0.4)
    monkeypatch.setattr(module, "NEXT", 1.5)
    guests = served()
    assert dribbling(guests.come(), 8) < 5
    # Neither does a request that is refused.
    refused = guests.come()
    assert guests.ask(refused, REFUSED) == b"403"
    assert dribbling(refused, 8) < 5
    # One that is answered does, and after it the next must be whole too.
    answered = guests.come()
    assert guests.ask(answered) == b"200"
    assert not left(answered)
    time.sleep(0.5)
    assert guests.ask(answered) == b"200"
    assert 1 < dribbling(answered, 8) < 5


def test_an_answer_that_is_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER", 0.0)
    with Door(socket.AF_INET) as door:
        door.bind(("127.0.0.1", 0))
        door.listen()

        async def site(*unused: object) -> None:
            door.see_out()

        with socket.create_connection(door.getsockname(), 5) as guest, door.accept()[0]:
            door.see_out()
            assert not left(guest)
            scope = {"type": "http", "client": guest.getsockname()}
            asyncio.run(door.noting(site)(scope, None, None))  # type: ignore[arg-type]
            assert left(guest)


@pytest.mark.parametrize("request_", [b"", REFUSED, STATUS])
def test_however_many_there_are_the_next_one_comes_in(
    request_: bytes, served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 60.0)
    guests = served()
    watching = guests.come()
    assert guests.ask(watching) == b"200"
    crowd = [guests.come() for _ in range(MOST + 6)]
    for guest in crowd[-MOST // 2 :]:
        assert not request_ or guests.ask(guest, request_) in {b"200", b"403"}
    assert guests.ask(guests.come()) == b"200"
    assert left(crowd[0])
    # Who watches stays longer than who has asked for nothing that is let through.
    assert guests.ask(watching) == b"200"


def test_one_address_has_a_share(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 60.0)
    monkeypatch.setattr(module, "_party", lambda host: host)
    guests = served()
    operator = guests.come("127.0.0.2")
    crowd = [guests.come("127.0.0.3") for _ in range(MOST + 6)]
    assert guests.ask(guests.come("127.0.0.2")) == b"200"
    assert not left(operator)  # though it was the first, and has asked for nothing
    assert [left(guest) for guest in crowd].count(False) == MOST_OF_ONE
    assert MOST_OF_ONE * 2 < MOST


@pytest.mark.parametrize(
    ("host", "party"),
    [
        ("127.0.0.1", None),
        ("127.8.9.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_whose_connections_are_counted_together(host: str, party: str | None) -> None:
    assert module._party(host) == party
