"""What the page says of the board: a Pi's, a Jetson's, and a machine that says nothing."""

from __future__ import annotations

from edge.live.figures import Figures
from edge.live.health import Health, health_of
from edge.power import PowerState
from edge.throttle import ThrottleState


def test_a_machine_that_tells_nothing() -> None:
    found = health_of(ThrottleState(None), None)
    assert found == Health()
    assert found.to_dict()["tells"] is False


def test_a_pi_that_was_throttled_and_is_capped() -> None:
    found = health_of(ThrottleState(0x40002, 81.2), None)
    assert found.celsius == 81.2
    assert found.slowed == ("the clock is capped",)
    assert found.since_start == ("throttled",)
    assert found.tells


def test_a_jetson() -> None:
    power = PowerState(
        mode="15W",
        number=0,
        celsius={"cpu": 51.0, "tj": 55.5},
        milliwatts={"VDD_IN": 7432, "VDD_CPU": 900},
        events={"oc1": 0, "oc2": 3},
    )
    found = health_of(ThrottleState(None, 50.0), power)
    assert found.celsius == 55.5
    assert found.mode == "15W"
    assert found.watts == 7.432
    assert found.since_start == ("over-current (oc2)",)


def test_figures_of_the_last_seconds() -> None:
    import time

    figures = Figures()
    assert figures.rate() == 0
    assert figures.ages() is None
    for _ in range(5):
        figures.add(time.monotonic() - 0.05)
        time.sleep(0.01)
    assert figures.frames == 5
    assert 0 < figures.rate() <= 100
    ages = figures.ages()
    assert ages is not None
    assert 50 <= ages[0] <= ages[1]
