"""Nobody is left on the line when the page stops."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.live.health import HealthWatch
from edge.live.session import Plan
from edge.live.view.door import Door
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
