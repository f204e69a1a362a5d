"""edge-swap: face swapping with consent, on small devices; labelled, signed and enforced.

Importing this package is cheap: every public name is resolved on first use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# ONNX Runtime >= 1.29 sends telemetry by default and leaves a device id in the user's cache at
# import. This must be in the environment before any engine can load.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edge.bundle.opening import Bundle, open_bundle
    from edge.consent.identity import Identity, load_identity
    from edge.consent.record import Consent, load_consent
    from edge.errors import EdgeError
    from edge.isolation.looking import read_picture_isolated, verify_isolated
    from edge.provenance.verify import Verdict, verify_file
    from edge.records import Face
    from edge.swap import Swapper

_HOME = {
    "Bundle": "edge.bundle.opening",
    "Consent": "edge.consent.record",
    "EdgeError": "edge.errors",
    "Face": "edge.records",
    "Identity": "edge.consent.identity",
    "Swapper": "edge.swap",
    "Verdict": "edge.provenance.verify",
    "load_consent": "edge.consent.record",
    "load_identity": "edge.consent.identity",
    "open_bundle": "edge.bundle.opening",
    "read_picture_isolated": "edge.isolation.looking",
    "verify_file": "edge.provenance.verify",
    "verify_isolated": "edge.isolation.looking",
}

__all__ = [
    "Bundle",
    "Consent",
    "EdgeError",
    "Face",
    "Identity",
    "Swapper",
    "Verdict",
    "__version__",
    "load_consent",
    "load_identity",
    "open_bundle",
    "read_picture_isolated",
    "verify_file",
    "verify_isolated",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
