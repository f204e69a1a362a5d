"""One browser for the tests of a module, and streams that run in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from edge.live.health import HealthWatch
from edge.live.session import Outcome, Session
from edge.live.view.server import Listen, ViewServer, take_port
from edge.live.watched import Watched
from tests.browser import BROWSER

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Serve = Callable[..., "Running"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright.

    Not for longer than a module: while it is there, so is an event loop in the tests' own thread.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no Chromium here: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


class Running:
    """A stream that runs, and the page that shows it."""

    def __init__(self, session: Session, server: ViewServer) -> None:
        self.session, self.server = session, server
        self.outcome: Outcome | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.outcome = self.session.run()

    def ended(self) -> Outcome:
        """Wait for its end."""
        self.thread.join(20)
        assert self.outcome is not None, "it runs on"
        return self.outcome


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what runs a session and serves its page."""
    with ExitStack() as stack:

        def start(session: Session, **listen: Any) -> Running:
            wanted = Listen(**{"port": 0, **listen})
            taken = stack.enter_context(take_port(wanted))
            server = ViewServer(Watched(session, HealthWatch()), wanted, taken)
            stack.enter_context(server)
            running = Running(session, server)
            stack.callback(running.ended)
            stack.callback(session.stop, "the test is over")
            return running

        yield start
