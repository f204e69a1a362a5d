"""Pictures for viewers: made once, the newest alone, and none after the end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from edge.errors import EdgeError, ProvenanceError
from edge.live.broadcast import Broadcast
from edge.live.pipeline import Shown
from edge.live.session import Plan
from edge.provenance.frames import FrameSigner
from tests.live import SIZE, session
from tests.scene import Stage, stage


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def shown(ready: Stage, index: int) -> Shown:
    place = ready.swapper().plan_label(np.zeros((*SIZE, 3), np.uint8), [])
    return Shown(np.full((*SIZE, 3), 90, np.uint8), index, time.monotonic(), 1, place)


@pytest.fixture
def broadcast(ready: Stage) -> Broadcast:
    made = session(ready, Plan(show=True)).broadcast
    assert made is not None
    return made


def test_who_asks_gets_the_newest_and_two_get_the_same(ready: Stage, broadcast: Broadcast) -> None:
    async def both() -> None:
        first = asyncio.create_task(broadcast.after(-1, 5))
        second = asyncio.create_task(broadcast.after(-1, 5))
        await asyncio.sleep(0.05)
        broadcast.offer(shown(ready, 3))
        found = await asyncio.gather(first, second)
        assert found[0] is not None
        assert found[0] is found[1]
        assert found[0].index == 3
        assert await broadcast.after(3, 0.05) is None
        assert await broadcast.after(2, 5) is found[0]

    asyncio.run(both())
    broadcast.close()
    broadcast.join()


def test_nothing_is_made_while_nobody_watches(
    ready: Stage, broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign(self: FrameSigner, *arguments: object) -> bytes:
        raise AssertionError("a picture was made for nobody")

    monkeypatch.setattr(FrameSigner, "sign", sign)
    broadcast.offer(shown(ready, 0))
    time.sleep(0.1)
    broadcast.close()
    broadcast.join()
    assert asyncio.run(broadcast.after(-1, 1)) is None


def test_after_the_end_not_even_what_was_there(ready: Stage, broadcast: Broadcast) -> None:
    async def watch() -> None:
        asked = asyncio.create_task(broadcast.after(-1, 5))
        await asyncio.sleep(0.05)
        broadcast.offer(shown(ready, 0))
        assert await asked is not None
        waiting = asyncio.create_task(broadcast.after(0, 30))
        await asyncio.sleep(0.05)
        start = time.monotonic()
        broadcast.close()
        assert await waiting is None
        assert time.monotonic() - start < 5
        assert await broadcast.after(-1, 1) is None

    asyncio.run(watch())
    broadcast.join()


def test_who_waits_in_vain_is_forgotten(broadcast: Broadcast) -> None:
    async def watch() -> None:
        for _ in range(3):
            assert await broadcast.after(-1, 0.01) is None
        gone = asyncio.create_task(broadcast.after(-1, 30))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

    asyncio.run(watch())
    assert broadcast._waiting == []
    broadcast.close()
    broadcast.join()


def test_an_old_picture_stays_old_though_the_clock_is_set_back(
    ready: Stage, broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch() -> None:
        asked = asyncio.create_task(broadcast.after(-1, 5))
        await asyncio.sleep(0.05)
        broadcast.offer(shown(ready, 0))
        assert await asked is not None
        now, then = time.time(), time.monotonic()
        monkeypatch.setattr(time, "time", lambda: now - 3600)
        monkeypatch.setattr("edge.live.broadcast.UNWATCHED", 0.05)
        while time.monotonic() < then + 0.1:
            await asyncio.sleep(0.02)
        assert await broadcast.after(-1, 0.05) is None

    asyncio.run(watch())
    broadcast.close()
    broadcast.join()


def test_a_key_that_does_not_sign_is_told(ready: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def sign(self: FrameSigner, *arguments: object) -> bytes:
        raise ProvenanceError("a live picture could not be signed: no key")

    monkeypatch.setattr(FrameSigner, "sign", sign)
    live = session(ready, Plan(show=True))
    assert live.broadcast is not None
    told: list[EdgeError] = []
    live.broadcast._on_error = told.append

    async def watch(broadcast: Broadcast) -> None:
        asked = asyncio.create_task(broadcast.after(-1, 0.5))
        await asyncio.sleep(0.05)
        broadcast.offer(shown(ready, 0))
        assert await asked is None

    asyncio.run(watch(live.broadcast))
    live.broadcast.join()
    assert [str(error) for error in told] == ["a live picture could not be signed: no key"]
