"""Who is let in: by host, by token, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from edge.live.view import guard as module
from edge.live.view.guard import COOKIE, HEADERS, Guard

HOSTS = frozenset({"127.0.0.1:8765", "localhost:8765"})


async def welcome(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"welcome"})


def ask(
    guard: Guard,
    path: str = "/",
    query: str = "",
    method: str = "GET",
    client: str = "10.0.0.9",
    **headers: str,
) -> tuple[int, dict[str, str]]:
    """Ask a guard; return status and headers of its answer."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    listed = {"host": "127.0.0.1:8765", **{k.replace("_", "-"): v for k, v in headers.items()}}
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "method": method,
        "client": (client, 1234),
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in listed.items()],
    }
    asyncio.run(guard(scope, receive, send))
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], found


def test_every_answer_says_what_a_browser_may_do() -> None:
    guard = Guard(welcome, hosts=HOSTS, token="secret")
    for status, headers in (ask(guard), ask(guard, query="t=secret")):
        assert status in {200, 403}
        assert set(HEADERS.items()) <= set(headers.items())


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({}, "GET", 200),
        ({"host": "localhost:8765"}, "GET", 200),
        ({"host": "evil.example:8765"}, "GET", 421),
        ({"host": "127.0.0.1"}, "GET", 421),
        ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}, "GET", 200),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, "GET", 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, "GET", 200),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, "POST", 403),
        ({}, "POST", 403),
        ({"x_edge_live": "1"}, "POST", 200),
    ],
)
def test_on_loopback(headers: dict[str, str], method: str, status: int) -> None:
    assert ask(Guard(welcome, hosts=HOSTS, token=None), method=method, **headers)[0] == status


def test_a_link_gives_a_cookie_and_the_cookie_lets_in() -> None:
    guard = Guard(welcome, hosts=None, token="secret")
    status, headers = ask(guard, query="t=secret")
    assert status == 200
    cookie = headers["set-cookie"]
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "secret" not in cookie
    value = cookie.split(";")[0]
    assert ask(guard, "/status", cookie=value) == ask(guard, "/status", cookie=f"a=b; {value}")
    status, headers = ask(guard, "/status", cookie=value)
    assert status == 200
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("path", "query", "cookie"),
    [
        ("/", "", ""),
        ("/", "t=", ""),
        ("/", "t=secre", ""),
        ("/", "t=s%C3%A9cret", ""),
        ("/status", "t=secret", ""),
        ("/status", "", f"{COOKIE}=secret"),
        ("/status", "", f"{COOKIE}=\xe9"),
        ("/status", "", "\x00;="),
    ],
)
def test_without_the_token(path: str, query: str, cookie: str) -> None:
    guard = Guard(welcome, hosts=None, token="secret")
    assert ask(guard, path, query, cookie=cookie)[0] == 403


def test_wrong_tokens_end_in_a_wait_for_that_address_alone() -> None:
    guard = Guard(welcome, hosts=None, token="secret")
    found = [ask(guard, query="t=guess")[0] for _ in range(12)]
    assert found == [403] * 10 + [429] * 2
    assert ask(guard, query="t=secret")[0] == 429  # the right one does not help a guesser
    assert ask(guard, query="t=secret", client="10.0.0.10")[0] == 200


def test_too_many_requests_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    guard = Guard(welcome, hosts=None, token=None)
    found = [ask(guard)[0] for _ in range(int(module.BURST) + 2)]
    assert found[-2:] == [429, 429]
    assert set(found[:-2]) == {200}
    clock[0] += 0.5
    assert ask(guard)[0] == 200


def test_only_so_many_addresses_are_remembered() -> None:
    guard = Guard(welcome, hosts=None, token=None)
    for number in range(module._ADDRESSES + 50):
        guard._requests.of(str(number))
    assert len(guard._requests._held) == module._ADDRESSES
