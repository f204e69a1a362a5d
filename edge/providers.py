"""Names of execution providers, and what a target's profile opens them with."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CPU_PROVIDER", "Provider"]

CPU_PROVIDER = "CPUExecutionProvider"
"""Name of the CPU path in every engine, so that one default serves all of them."""


class Provider(str):
    """Name of an execution provider, with what its target's profile opens it with.

    It is the name wherever a name is wanted, and equal to it.

    Attributes:
        options: passed on to the engine; texts, as engines take them.
        static_options: the same, for models whose sizes are all fixed.
        device: where inputs and outputs of such models stay ("cuda"); empty: in main memory.
    """

    __slots__ = ("device", "options", "static_options")

    options: Mapping[str, str]
    static_options: Mapping[str, str]
    device: str

    def __new__(
        cls,
        name: str,
        options: Mapping[str, str] | None = None,
        static_options: Mapping[str, str] | None = None,
        device: str = "",
    ) -> Provider:
        """Return a name with options."""
        made = super().__new__(cls, name)
        made.options = dict(options or {})
        made.static_options = dict(static_options or {})
        made.device = device
        return made
