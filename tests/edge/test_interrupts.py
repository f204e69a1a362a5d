from __future__ import annotations

import ctypes
import signal
import threading

import pytest

from edge.interrupts import held_back

Callback = ctypes.CFUNCTYPE(ctypes.c_int)


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_in_a_callback_from_c_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    """Without the guard it is printed as ignored, and the caller never learns of it."""

    def interrupted() -> int:
        signal.raise_signal(signal.SIGINT)
        return 7

    with pytest.raises(KeyboardInterrupt), held_back():
        assert Callback(interrupted)() == 7
    assert capfd.readouterr().err == ""


def test_the_usual_handlers_are_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_other_threads_are_left_alone() -> None:
    ran = []

    def work() -> None:
        with held_back():
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]
