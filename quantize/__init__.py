"""The toolchain: converts swap models for small devices and measures what that costs.

Importing this package is cheap: `build`, `convert` and `compare` are resolved on first use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantize.build import build
    from quantize.compare import compare
    from quantize.convert import convert

__all__ = ["build", "compare", "convert"]


class _Package(ModuleType):
    """The functions bear the names of their modules, which an import would put in their place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'quantize' has no attribute {name!r}")
    return getattr(import_module(f"quantize.{name}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
