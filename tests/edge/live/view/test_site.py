"""The routes: what is asked in a strange way is answered, and what fails is one line."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

from edge.live.view import site as module
from edge.live.view.site import site


class Pictures:
    """Notes after which picture another was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def after(self, index: int, seconds: float) -> None:
        self.asked.append(index)


class Kiosk:
    """A kiosk in which nothing happens."""

    def __init__(self) -> None:
        self.broadcast: Any = Pictures()
        self.begun: list[Any] = []
        self.fails = False

    def status(self) -> dict[str, Any]:
        if self.fails:
            raise ValueError("two\nlines")
        return {"state": "running"}

    def stop(self, reason: str) -> None: ...

    def begin(self, form: Any) -> None:
        self.begun.append(form)

    def end(self) -> None: ...


def ask(
    kiosk: Kiosk, path: str, query: str = "", method: str = "GET", parts: Sequence[bytes] = ()
) -> tuple[int, bytes]:
    """Ask for something; return status and body. What is sent never ends."""
    sent: list[MutableMapping[str, Any]] = []
    coming = list(parts)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        if not coming:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [],
    }

    async def answered() -> None:
        await site(kiosk, kiosk)(scope, receive, send)

    asyncio.run(answered())
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize(
    ("after", "index"),
    [
        ("after=7", 7),
        ("after=-1", -1),
        ("", -1),
        ("after=--5", -1),
        ("after=-", -1),
        ("after=%C2%B2", -1),
        ("after=%D9%A3", -1),
        ("after=7%0A", -1),
        ("after=" + "9" * 16, -1),
    ],
)
def test_a_picture_is_asked_for_by_a_number_alone(after: str, index: int) -> None:
    kiosk = Kiosk()
    assert ask(kiosk, "/picture", after) == (204, b"")
    assert kiosk.broadcast.asked == [index]


def test_what_fails_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    kiosk = Kiosk()
    kiosk.fails = True
    with caplog.at_level(logging.ERROR):
        assert ask(kiosk, "/status")[0] == 500
    (record,) = caplog.records
    assert record.getMessage() == "edge live: GET /status: ValueError: two lines"
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b'{"subject":', b' "x"}'], 200),
        ([b"[1]"], 400),
        ([b"\xff\xfe"], 400),
        ([b"[" * 16_000], 400),
        ([b"9" * 16_000], 400),
        ([b" " * 9_000, b" " * 9_000, b"{}"], 413),
    ],
)
def test_a_form_is_read_with_suspicion(parts: list[bytes], status: int) -> None:
    kiosk = Kiosk()
    found, body = ask(kiosk, "/begin", method="POST", parts=parts)
    assert found == status
    assert kiosk.begun == ([{"subject": "x"}] if status == 200 else [])
    assert status == 200 or json.loads(body)["error"]


def test_a_form_that_does_not_come_in_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY", 0.05)
    kiosk = Kiosk()
    status, _ = ask(kiosk, "/begin", method="POST", parts=[])
    assert (status, kiosk.begun) == (408, [])
