"""Heat, throttling and power of the board while a stream runs, read every few seconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edge.power import PowerState, read_power
from edge.throttle import ThrottleState, read_state

EVERY = 5.0
"""Seconds between two readings: each starts a program of the board's."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the board says.

    Attributes:
        celsius: The hottest place that it tells of; None where it tells none.
        slowed: What slows it down at this moment; empty where nothing does, or it does not say.
        since_start: What has slowed it down since it was started.
        mode: Power mode of a Jetson; empty elsewhere.
        watts: What a Jetson draws; None elsewhere.
        tells: Whether it says anything about throttling.
    """

    celsius: float | None = None
    slowed: tuple[str, ...] = ()
    since_start: tuple[str, ...] = ()
    mode: str = ""
    watts: float | None = None
    tells: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return it as the page gets it."""
        return {
            "celsius": self.celsius,
            "slowed": list(self.slowed),
            "since_start": list(self.since_start),
            "mode": self.mode,
            "watts": self.watts,
            "tells": self.tells,
        }


def health_of(throttle: ThrottleState, power: PowerState | None) -> Health:
    """Join what a Raspberry Pi and a Jetson say."""
    zones = dict((power.celsius if power else None) or {})
    temperatures = [*zones.values(), *([] if throttle.celsius is None else [throttle.celsius])]
    events = (power.events if power else None) or {}
    since = (
        *throttle.since_start,
        *(f"over-current ({name})" for name, count in events.items() if count),
    )
    rails = (power.milliwatts if power else None) or {}
    return Health(
        celsius=max(temperatures, default=None),
        slowed=throttle.now,
        since_start=since,
        mode=power.mode if power else "",
        watts=rails["VDD_IN"] / 1000 if "VDD_IN" in rails else None,
        tells=throttle.bits is not None or power is not None,
    )


class HealthWatch:
    """Reads the board's state in a thread of its own."""

    def __init__(self) -> None:
        self.latest = Health()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live: health", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; does not wait for a program that is slow to answer."""
        self._stopped.set()

    def _watch(self) -> None:
        while True:
            self.latest = health_of(read_state(), read_power())
            if self._stopped.wait(EVERY):
                return
