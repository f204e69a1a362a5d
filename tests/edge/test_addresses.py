"""What is taken for an address of the web."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.addresses import web_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://models.example/here", "models.example", None),
        ("https://models.example:8443", "models.example", 8443),
        ("HTTPS://x", "x", None),
        ("http://[::1]:65535/", "::1", 65535),
    ],
)
def test_parts(text: str, host: str, port: int | None) -> None:
    parts = web_address(text)
    assert parts is not None
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "x", "ftp://x/", "file:///etc/x", "http://", "https:///x", "http://[x", "http:x"]
    + [f"http://x:{port}/" for port in ("65536", "123456", "-1", "http")],
)
def test_what_is_none(text: str) -> None:
    assert web_address(text) is None


@given(st.text(max_size=40))
def test_any_text_is_judged(rest: str) -> None:
    for text in (rest, f"https://{rest}"):
        parts = web_address(text)
        assert parts is None or parts.hostname
