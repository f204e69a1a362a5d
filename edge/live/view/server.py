"""The server of the page: in a thread, on loopback, or on the network with TLS and a token."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import EngineMissing, OutputError, UsageError
from edge.live.view.door import MOST, NEXT, Door, server_behind

if TYPE_CHECKING:
    from edge.live.view.certificate import Tls
    from edge.live.view.site import House, Visits

PORT = 8765
"""Where the page is on loopback, unless another port is named."""

_START = 10.0  # seconds that a server may take to begin


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the page is.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        certificate: The user's own certificate for the network; None for one made here.
        key: Its key.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `:PORT` or `HOST`.

    Raises:
        UsageError: It is neither; or a name, where an address is needed.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    port = port or str(PORT)
    host = host.strip("[]") or "127.0.0.1"
    host = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise UsageError(
            f"--listen {text}: give an address, as in 127.0.0.1:{PORT} or 0.0.0.0:{PORT}"
        ) from error
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise UsageError(f"--listen {text}: '{port}' is no port")
    return host, int(port)


def check_installed() -> None:
    """Check that what the page needs is here.

    Raises:
        EngineMissing: It is not.
    """
    try:
        import segno  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise EngineMissing(
            f"the page lacks a package ({error}): pip install 'edge-swap[live]'"
        ) from error


class ViewServer:
    """The page's server; use it as a context manager.

    Attributes:
        link: Where the page is; on the network with the token, which nothing else tells.
        tls: What it speaks TLS with; None on loopback.
    """

    def __init__(
        self, house: House, listen: Listen, taken: Door, visits: Visits | None = None
    ) -> None:
        """Prepare; nothing is served yet.

        Args:
            house: What is shown.
            listen: Where.
            taken: From `take_port`, for the same `listen`.
            visits: The same as `house`, where it is a kiosk.

        Raises:
            EngineMissing: A package is missing.
            KeyStoreError: The user's own certificate cannot be used.
            OutputError: One cannot be made here.
        """
        check_installed()
        import uvicorn

        from edge.live.view.guard import Guard
        from edge.live.view.site import site

        self._socket = taken
        port = self._socket.getsockname()[1]
        self.tls: Tls | None = None
        token = None
        hosts: frozenset[str] | None = _loopback_hosts(port)
        if not listen.loopback:
            token, hosts = secrets.token_urlsafe(24), None
            self.tls = _tls(listen)
        self.link = _link(listen, port, token)
        inside = taken.noting(site(house, visits))
        self.guard = Guard(inside, hosts=hosts, token=token)
        config = uvicorn.Config(
            self.guard,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            loop="asyncio",  # another one would let guests in past the door
            backlog=MOST,
            timeout_keep_alive=NEXT,
            timeout_graceful_shutdown=1,
            ssl_certfile=None if self.tls is None else str(self.tls.certificate),
            ssl_keyfile=None if self.tls is None else str(self.tls.key),
        )
        self._server: Any = server_behind(taken, config)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="live: page", daemon=True)

    def __enter__(self) -> ViewServer:
        """Begin to serve.

        Raises:
            OutputError: It does not begin.
        """
        self._thread.start()
        end = time.monotonic() + _START
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                self.__exit__()
                raise OutputError(f"the page cannot be served: {self._failure or 'no answer'}")
            time.sleep(0.01)
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        with contextlib.suppress(OSError):
            self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told where it is waited for
            self._failure = error

    def qr(self) -> str:
        """Return the link as a QR code for a terminal."""
        import io

        import segno

        drawn = io.StringIO()
        segno.make(self.link, error="l").terminal(drawn, compact=True)
        return drawn.getvalue()


def take_port(listen: Listen) -> Door:
    """Take the page's port, before anything else is begun that would have to be undone.

    Raises:
        OutputError: It is taken, or may not be listened on.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    made = Door(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((listen.host, listen.port))
    except OSError as error:
        made.close()
        raise OutputError(
            f"{listen.host}:{listen.port} cannot be listened on: {error.strerror}; name another "
            "with --listen"
        ) from error
    return made


def _loopback_hosts(port: int) -> frozenset[str]:
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def _tls(listen: Listen) -> Tls:
    from edge.live.view.certificate import given_tls, own_tls

    if (listen.certificate is None) != (listen.key is None):
        raise UsageError("--tls-certificate and --tls-key go together")
    if listen.certificate is not None and listen.key is not None:
        return given_tls(listen.certificate, listen.key)
    return own_tls([_reached_as(listen), socket.gethostname()])


def _reached_as(listen: Listen) -> str:
    """Return the address in the link: that of the network, where all are listened on."""
    from edge.live.view.certificate import addresses

    if not ipaddress.ip_address(listen.host).is_unspecified:
        return listen.host
    return next(iter(addresses()), "127.0.0.1")


def _link(listen: Listen, port: int, token: str | None) -> str:
    host = listen.host if listen.loopback else _reached_as(listen)
    shown = f"[{host}]" if ":" in host else host
    if token is None:
        return f"http://{shown}:{port}/"
    return f"https://{shown}:{port}/?t={token}"
