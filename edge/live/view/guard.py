"""Who is let in: hosts, tokens, and how often somebody may ask.

Outside of the site itself, so that no route can forget it.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "edge-live"
CUSTOM = "x-edge-live"
"""Header that the page sets when it asks for something to be done: another site's page cannot."""

PER_SECOND, BURST = 120.0, 240.0
"""Requests of one address: a viewer at 60 frames a second needs about 62."""

FAILURES, FAILURES_PER_SECOND = 10.0, 10.0 / 60
"""Wrong tokens of one address: ten, and then one every six seconds."""

_ADDRESSES = 1024  # that are remembered; an older one begins anew

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
}


@dataclass
class _Bucket:
    """Tokens that flow in evenly and are taken out one by one."""

    room: float
    flow: float
    left: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.at = self.room, monotonic()

    def take(self) -> bool:
        """Take one if there is one."""
        self._fill()
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def empty(self) -> bool:
        """Whether there is none."""
        self._fill()
        return self.left < 1

    def _fill(self) -> None:
        now = monotonic()
        self.left = min(self.room, self.left + (now - self.at) * self.flow)
        self.at = now


class _Buckets:
    """A bucket per address, the newest ones."""

    def __init__(self, room: float, flow: float) -> None:
        self._room, self._flow = room, flow
        self._held: OrderedDict[str, _Bucket] = OrderedDict()

    def of(self, address: str) -> _Bucket:
        bucket = self._held.pop(address, None) or _Bucket(self._room, self._flow)
        self._held[address] = bucket
        while len(self._held) > _ADDRESSES:
            self._held.popitem(last=False)
        return bucket


class Guard:
    """Lets requests through to a site, or answers them itself.

    Attributes:
        token: What the link holds; None where everybody on this machine may watch.
    """

    def __init__(self, site: App, *, hosts: frozenset[str] | None, token: str | None) -> None:
        """Stand before a site.

        Args:
            site: The site.
            hosts: Names under which it is asked for, with the port; None for any. On loopback this
                keeps out pages that make a name of theirs point to this machine.
            token: What the link must hold.
        """
        self._site, self._hosts, self.token = site, hosts, token
        self._session = secrets.token_urlsafe(32)
        self._requests = _Buckets(BURST, PER_SECOND)
        self._failures = _Buckets(FAILURES, FAILURES_PER_SECOND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        address = scope["client"][0] if scope.get("client") else ""
        refusal = self._refusal(scope, headers, address)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        fresh = self.token is not None and self._token_of(scope) is not None

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                if fresh:
                    more.append((b"set-cookie", self._cookie().encode()))
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self._site(scope, receive, with_headers)

    def _refusal(
        self, scope: Scope, headers: Mapping[str, str], address: str
    ) -> tuple[int, str] | None:
        """Return why a request is not let through; None where it is."""
        if not self._requests.of(address).take():
            return 429, "too many requests"
        if self._hosts is not None and headers.get("host", "").lower() not in self._hosts:
            return 421, "ask for it as 127.0.0.1 or localhost"
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not (
            headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        ):
            return 403, "not from another site's page"
        if scope["method"] == "POST" and CUSTOM not in headers:
            return 403, "only the page itself may do this"
        return None if self.token is None else self._token_refusal(scope, headers, address)

    def _token_refusal(
        self, scope: Scope, headers: Mapping[str, str], address: str
    ) -> tuple[int, str] | None:
        failures = self._failures.of(address)
        if failures.empty():
            return 429, "too many wrong tokens: wait a minute"
        given = self._token_of(scope)
        if given is not None:
            good = hmac.compare_digest(given.encode(), str(self.token).encode())
        else:
            cookie = _cookie_in(headers.get("cookie", ""))
            good = hmac.compare_digest(cookie.encode(), self._session.encode())
        if good:
            return None
        failures.take()
        return 403, "the token is wrong or missing: use the link or the QR code of the terminal"

    def _token_of(self, scope: Scope) -> str | None:
        """Return the token in an address, which only the page's own may hold."""
        if scope["path"] != "/":
            return None
        values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("t")
        return values[0] if values else None

    def _cookie(self) -> str:
        return f"{COOKIE}={self._session}; Path=/; Secure; HttpOnly; SameSite=Lax"


def _cookie_in(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


async def _answer(send: Send, status: int, text: str) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8"}
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
