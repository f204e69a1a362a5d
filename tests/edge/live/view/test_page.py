"""The page in a browser: it moves, it shows the label, it stops, and it lets in whom it should."""

from __future__ import annotations

import base64
import datetime
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.consent.canonical import utc_now
from edge.errors import ConsentError
from edge.live import reopening
from edge.live.session import Plan
from edge.live.sources.synthetic import read_counter
from edge.provenance.verify import verify_file
from tests.live import SIZE, session
from tests.scene import Stage, stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

    from tests.edge.live.conftest import Running

Serve = Callable[..., "Running"]

_SECONDS = 30_000  # milliseconds that a busy machine may take


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def opened(browser: Browser, link: str, width: int = 1100) -> Page:
    """Open the page and wait for its first picture."""
    size: ViewportSize = {"width": width, "height": 800}
    page = browser.new_context(viewport=size, ignore_https_errors=True).new_page()
    page.set_default_timeout(_SECONDS)
    page.goto(link)
    page.wait_for_selector("#stream:not([hidden])")
    return page


def wait_for(page: Page, element: str, words: str) -> None:
    """Wait until an element holds some words."""
    page.wait_for_function(
        "([id, words]) => document.getElementById(id).innerText.includes(words)",
        arg=[element, words],
    )


def shown_on(page: Page) -> bytes:
    """Return the pixels that the page shows, as PNG."""
    script = """() => {
      const stream = document.getElementById("stream"), canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [stream.naturalWidth, stream.naturalHeight];
      canvas.getContext("2d").drawImage(stream, 0, 0);
      return canvas.toDataURL("image/png").split(",")[1];
    }"""
    for _ in range(100):
        data = base64.b64decode(page.evaluate(script))
        if data:  # none while one picture takes the place of another
            return data
    raise AssertionError("no picture")


def sent_to(page: Page) -> bytes:
    """Return a picture as the page gets it, asked for with its own cookie."""
    answer = page.context.request.get(page.url + "picture?after=-1")
    assert answer.status == 200
    return answer.body()


def pixels(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def number_of(page: Page) -> int:
    return read_counter(pixels(shown_on(page)))[0]


def test_two_viewers_watch_and_one_stops_it(
    browser: Browser, serve: Serve, ready: Stage, tmp_path: Path
) -> None:
    running = serve(session(ready, Plan(show=True, record=tmp_path / "out"), rate=20))
    first = opened(browser, running.server.link)
    second = opened(browser, running.server.link, width=390)
    # The stream moves, on both.
    before = number_of(first), number_of(second)
    time.sleep(0.5)
    assert number_of(first) > before[0]
    assert number_of(second) > before[1]
    # It works on a phone.
    assert second.evaluate("document.documentElement.scrollWidth") <= 390
    # What is shown is signed, and what it says of itself holds.
    path = tmp_path / "shown.jpg"
    path.write_bytes(sent_to(first))
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert verdict.claims is not None
    assert verdict.claims.live is not None
    assert verdict.claims.live.stream == running.session.stream
    assert verdict.claims.visible_label is not None
    # The label is where the manifest says, on the screen.
    box = first.locator("#stream").bounding_box()
    assert box is not None
    scale = box["width"] / SIZE[1]
    shot = pixels(first.screenshot())
    x, y, width, height = verdict.claims.visible_label["region"].values()
    left, top = round(box["x"] + x * scale), round(box["y"] + y * scale)
    label = shot[top : top + round(height * scale), left : left + round(width * scale)]
    assert 0.05 < (label > 220).all(axis=2).mean() < 0.6
    assert (label < 90).all(axis=2).mean() > 0.3
    # Figures.
    wait_for(first, "latency", "p95")
    wait_for(first, "recording", "录制中")
    assert "film" in first.inner_text("#consent")
    assert "scripted camera" in first.inner_text("#source")
    assert first.is_hidden("#beside")
    # The button stops it: here, for the other viewer, and for the camera.
    first.click("#stop")
    wait_for(first, "veil", "stopped on the page")
    assert first.is_hidden("#stream")
    outcome = running.ended()
    assert outcome.reason == "stopped on the page"
    assert outcome.error is None
    wait_for(second, "veil", "stopped on the page")
    assert second.is_hidden("#stream")
    assert outcome.recording is not None
    assert outcome.recording.segments == 1


def test_the_end_of_the_consent_ends_the_pictures(
    browser: Browser, serve: Serve, edge_home: Path, tmp_path: Path
) -> None:
    until = utc_now() + datetime.timedelta(seconds=6)
    ready = stage(edge_home, tmp_path / "work", until=until)
    running = serve(session(ready, Plan(show=True), rate=20))
    page = opened(browser, running.server.link)
    page.wait_for_selector("#stream", state="hidden")
    late = (utc_now() - until).total_seconds()
    wait_for(page, "veil", "expired")
    assert isinstance(running.ended().error, ConsentError)
    # The second of its end counts, too; on a busy machine the page may need a moment to be drawn.
    assert late < 4


def test_a_source_that_is_lost_and_comes_back(
    browser: Browser, serve: Serve, ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reopening, "FIRST_WAIT", 0.2)
    gone = threading.Event()
    running = serve(session(ready, Plan(show=True), rate=20, unplugged=gone))
    page = opened(browser, running.server.link)
    gone.set()
    wait_for(page, "source", "lost, trying again")
    wait_for(page, "state", "the source is gone")
    assert "scripted camera" in page.inner_text("#source")
    gone.clear()
    wait_for(page, "state", "running, labelled")
    page.wait_for_selector("#stream:not([hidden])")


def test_on_the_network_a_token_is_needed(browser: Browser, serve: Serve, ready: Stage) -> None:
    running = serve(session(ready, Plan(show=True), rate=20), host="0.0.0.0")
    link = running.server.link
    assert link.startswith("https://")
    assert running.server.tls is not None
    base, _, token = link.partition("?t=")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    stranger = browser.new_context(ignore_https_errors=True)
    for path in ("", "?t=", f"?t={wrong}", "picture?after=-1", "status", f"status?t={token}"):
        answer = stranger.request.get(base + path)
        assert answer.status == 403, path
        assert token not in answer.text()
    page = opened(browser, link)
    assert page.url == base  # the token does not stay in the address
    assert page.evaluate("document.cookie") == ""  # nor can a script read what stands for it
    # A second page of the same browser needs no link any more.
    again = page.context.new_page()
    again.goto(base)
    again.wait_for_selector("#stream:not([hidden])")


def test_an_original_beside_it(browser: Browser, serve: Serve, ready: Stage) -> None:
    running = serve(session(ready, Plan(show=True, beside=True), rate=20))
    page = opened(browser, running.server.link)
    page.wait_for_function("() => document.getElementById('original').naturalWidth === 240")
    assert page.is_visible("#beside")
    assert "原画面" in page.inner_text("#beside")
