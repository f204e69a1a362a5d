from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from edge.media.quiet import captured_stderr


def test_what_is_written_to_the_descriptor_is_taken(capfd: Any) -> None:
    with captured_stderr() as said:
        os.write(2, b"libjpeg: a complaint\n")
        assert said() == "libjpeg: a complaint\n"
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_descriptor_is_given_back_after_an_error(capfd: Any) -> None:
    with pytest.raises(KeyError), captured_stderr():
        raise KeyError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_threads_take_turns(capfd: Any) -> None:
    def work() -> None:
        for _ in range(50):
            with captured_stderr():
                os.write(2, b"x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
