"""Addresses that somebody wrote down, before a connection is opened to one."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

WEB = ("http", "https")


def web_address(text: str) -> SplitResult | None:
    """Take an address of the web apart.

    Args:
        text: As it was written, for example `https://models.example:8443/here`.

    Returns:
        Its parts; None for what is no address of http or https, names no host, or has a port that
        is none: 0 to 65535 are ports.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:  # "http://[x": a bracket, and no IPv6 address in it; or a port of 70000
        return None
    return parts if parts.scheme in WEB and parts.hostname else None
