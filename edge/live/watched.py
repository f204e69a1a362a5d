"""One stream as the page sees it: the session, and what the board says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.live.broadcast import Broadcast
    from edge.live.health import HealthWatch
    from edge.live.session import Session


class Watched:
    """A session on the page."""

    def __init__(self, session: Session, health: HealthWatch) -> None:
        self._session, self._health = session, health

    @property
    def broadcast(self) -> Broadcast | None:
        """The stream's pictures."""
        return self._session.broadcast

    def status(self) -> dict[str, Any]:
        """Return how the stream and the board are."""
        return {**self._session.status(), "health": self._health.latest.to_dict(), "kiosk": None}

    def stop(self, reason: str) -> None:
        """Stop the stream."""
        self._session.stop(reason)
