from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge import limits
from edge.errors import PolicyError
from edge.limits import DeviceLimits, device_limits, limits_path


def write(text: str) -> None:
    limits_path().parent.mkdir(parents=True, exist_ok=True)
    limits_path().write_text(text)


def test_defaults() -> None:
    assert device_limits() == DeviceLimits()


def test_what_the_documentation_shows_are_the_defaults() -> None:
    text = re.search(r"```toml\n(.*?)```", str(limits.__doc__), re.S)
    assert text is not None
    write(text[1])
    assert device_limits() == DeviceLimits()


def test_a_smaller_device() -> None:
    write("[picture]\nmax_pixels = 1000\n[isolation]\nmemory_mib = 512\n")
    found = device_limits()
    assert found.picture.max_pixels == 1000
    assert found.child.memory == 512 << 20
    assert found.video == DeviceLimits().video


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[picture]\nmax_pixel = 1\n", "unknown key 'max_pixel'"),
        ("[pictures]\n", "unknown key 'pictures'"),
        ("picture = 1\n", "must be a table"),
        ("[video]\nmax_rate = 'fast'\n", "must be a number"),
        ("[isolation]\nmemory_mib = 1\n", "at least 256"),
        ("[isolation]\nmemory_mib = 9999999999999\n", "'memory_mib' must be a whole number of at"),
        ("[isolation]\nseconds = 9999999999\n", "at most 1000000000"),
        ("[isolation]\ncommand_memory_mib = 9999999999999\n", "at most 1099511627776"),
        ("[isolation]\ncommand_seconds = 9999999999\n", "at most 1000000000"),
        ("[model]\nmax_mib = 9999999999999\n", "at most 1099511627776"),
        ("[model]\nmax_tensor_mib = 9999999999999\n", "at most 1099511627776"),
        ("[model]\nrun_seconds = 9999999999\n", "at most 1000000000"),
        ("[picture]\nmax_mib = 9999999999999\n", "at most 1099511627776"),
        ("[", "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, message: str) -> None:
    write(text)
    with pytest.raises(PolicyError, match=re.escape(message)):
        device_limits()


def test_others_must_not_set_them() -> None:
    write("")
    limits_path().chmod(0o666)
    with pytest.raises(PolicyError, match="run 'chmod 644' on it"):
        device_limits()


def test_the_greatest_are_within_what_the_system_takes(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    from edge.isolation.looking import verify_isolated
    from edge.media.image import read_picture

    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    most = f"{1 << 40}"
    write(f"[picture]\nmax_mib = {most}\n[isolation]\nmemory_mib = {most}\nseconds = 1000000000\n")
    assert read_picture(path).frame.shape == (40, 40, 3)
    assert verify_isolated(path).exit_status == 5


def test_they_are_used(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    from edge.errors import MediaError
    from edge.media.image import read_picture

    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    assert read_picture(path).frame.shape == (40, 40, 3)
    write("[picture]\nmax_pixels = 1000\n")
    with pytest.raises(MediaError, match="is too large"):
        read_picture(path)
