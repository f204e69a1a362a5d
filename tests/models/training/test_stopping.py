"""Stopping a run: the first signal is remembered, and everything is as before afterwards."""

import os
import signal

import pytest

from models.training.stopping import Stop, left_alone


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


def test_a_helper_leaves_ctrl_c_to_the_process_that_waits() -> None:
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Stop():
            left_alone()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
