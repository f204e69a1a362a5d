"""The routes of the page: as few as there can be."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.errors import EdgeError
from edge.harmless import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from edge.live.broadcast import Broadcast
    from edge.live.view.guard import App, Receive, Scope, Send

ASSETS = Path(__file__).parent / "assets"

WAIT = 2.0
"""Seconds that an answer waits for a new picture before it says that there is none yet."""

BODY = 5.0
"""Seconds that a form may take to come in."""

_MOST_BODY = 16 * 1024  # bytes of a form
_INDEX = re.compile("[0-9]{1,15}")
_LOG = logging.getLogger(__name__)
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class House(Protocol):
    """What the page shows, and what can be asked of it."""

    @property
    def broadcast(self) -> Broadcast | None:
        """The pictures of the stream that runs; None where none does."""

    def status(self) -> dict[str, Any]:
        """Return how it is, for the page."""

    def stop(self, reason: str) -> None:
        """Stop; nothing is shown any more from this moment on."""


class Visits(House, Protocol):
    """A kiosk, which takes forms too."""

    def begin(self, form: Mapping[str, Any]) -> None:
        """Take a consent and begin a visit.

        Raises:
            EdgeError: The form is refused, or no good pictures could be taken.
        """

    def end(self) -> None:
        """End the visit, and wait until everything of it is erased."""


def site(house: House, visits: Visits | None = None) -> App:
    """Return the site.

    Args:
        house: What is shown.
        visits: The same, where it is a kiosk.
    """
    routes = [
        Route("/", _asset("page.html")),
        Route("/page.css", _asset("page.css")),
        Route("/page.js", _asset("page.js")),
        Route("/status", _status(house)),
        Route("/picture", _picture(house)),
        Route("/original", _original(house)),
        Route("/stop", _stop(house), methods=["POST"]),
    ]
    if visits is not None:
        routes.append(Route("/begin", _begin(visits), methods=["POST"]))
        routes.append(Route("/end", _end(visits), methods=["POST"]))
    return _in_one_line(Starlette(routes=routes))


def _in_one_line(routes: App) -> App:
    """Return the routes so that what fails in them is one line, and no traceback a request."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await routes(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - Starlette has answered it with status 500
            what = f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}"
            _LOG.error("edge live: %s", one_line(what))

    return answer


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    data = (ASSETS / name).read_bytes()
    kind = _TYPES[Path(name).suffix]

    async def answer(request: Request) -> Response:
        return Response(data, media_type=kind)

    return answer


def _status(house: House) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse({**house.status(), "now_ms": time.time() * 1000})

    return answer


def _picture(house: House) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        after = request.query_params.get("after", "-1")
        index = int(after) if _INDEX.fullmatch(after) else -1
        broadcast = house.broadcast
        picture = None if broadcast is None else await broadcast.after(index, WAIT)
        if picture is None:
            ended = house.status()["state"] == "ended"
            return Response(status_code=410 if ended else 204)
        headers = {"x-index": str(picture.index), "x-taken-ms": f"{picture.taken_ms:.1f}"}
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)

    return answer


def _original(house: House) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        broadcast = house.broadcast
        jpeg = None if broadcast is None else broadcast.original
        if jpeg is None:
            return PlainTextResponse("no original is shown\n", status_code=404)
        return Response(jpeg, media_type="image/jpeg")

    return answer


def _stop(house: House) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        await run_in_threadpool(house.stop, "stopped on the page")
        return JSONResponse(house.status())

    return answer


def _begin(visits: Visits) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            body = await asyncio.wait_for(_body(request), BODY)
        except (asyncio.TimeoutError, ClientDisconnect):
            return JSONResponse({"error": "the form did not come in"}, status_code=408)
        if len(body) > _MOST_BODY:
            return JSONResponse({"error": "the form is too long"}, status_code=413)
        try:
            form = json.loads(body)
        except (ValueError, RecursionError):
            form = None
        if not isinstance(form, dict):
            return JSONResponse({"error": "that is no form"}, status_code=400)
        try:
            await run_in_threadpool(visits.begin, form)
        except EdgeError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse(visits.status())

    return answer


async def _body(request: Request) -> bytes:
    """Return what was sent, or the beginning of what is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            break
    return body


def _end(visits: Visits) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        await run_in_threadpool(visits.end)
        return JSONResponse(visits.status())

    return answer
