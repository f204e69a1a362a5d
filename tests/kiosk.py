"""What the tests of the kiosk share: a desk with tiny models, an attendant, a form."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.ledger import Ledger
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.live.health import HealthWatch
from edge.live.kiosk import enrolment
from edge.live.kiosk.enrolment import Desk
from edge.live.kiosk.kiosk import Kiosk
from edge.swap import Swapper
from tests import tiny
from tests.live import Scripted
from tests.scene import ENGINES

PASSPHRASE = "tea"
FORM: dict[str, Any] = {
    "subject": "Guest 7",
    "adult": True,
    "mine": True,
    "agree": True,
    "passphrase": PASSPHRASE,
}


def agent_key(folder: Path, passphrase: str = PASSPHRASE) -> Path:
    """Write an attendant's key; with an empty passphrase one without."""
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    path = folder / "agent.pem"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
        )
    )
    return path


def desk(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, minutes: float = 5) -> Desk:
    """Return a desk with tiny models; its photos are never too poor, being made of white cells."""
    tiny.install(home)
    monkeypatch.setattr(enrolment, "check_photo", lambda frame, face, name: None)
    monkeypatch.setattr(enrolment, "APART", 0.02)
    return Desk(
        open_source=lambda: Scripted(rate=25),
        detector=open_detector("tiny_detector"),
        embedder=open_embedder("tiny_embedder"),
        purpose="art",
        minutes=minutes,
        agent="Ms Li",
        agent_key=agent_key(folder),
        page=b"<form>",
        ledger=Ledger(),
    )


@contextmanager
def running(at: Desk) -> Iterator[Kiosk]:
    """Run a kiosk in a thread."""
    kiosk = Kiosk(
        at,
        lambda identity: Swapper(identity, purpose="art", target_is="self", engines=ENGINES),
        HealthWatch(),
    )
    thread = threading.Thread(target=kiosk.run)
    thread.start()
    try:
        yield kiosk
    finally:
        kiosk.close()
        thread.join(20)
        assert not thread.is_alive()


def until(what: Callable[[], bool]) -> None:
    """Wait for something, 20 s at most."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
