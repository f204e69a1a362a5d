"""Stopping a run: the first signal is remembered, and everything is as before afterwards."""

import os
import signal

import pytest

from models.training.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_a_second_one_counts(number: signal.Signals) -> None:
    usual = signal.getsignal(number)
    with Stop() as stop:
        asked = [stop.asked]
        os.kill(os.getpid(), number)
        asked.append(stop.asked)
        assert asked == [False, True]
        assert signal.getsignal(number) is usual
    assert signal.getsignal(number) is usual
