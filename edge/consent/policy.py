"""The deployment's policy: `policy.toml` in the configuration folder.

```toml
require_assurance = "trusted-issuer"   # or "agent-attested", "self-attested"
require_gate = true                    # refuse to swap where no content gate is installed
```
A policy can only forbid. A key that is not known is an error, for a rule that is not understood
must not be passed over.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge import resources
from edge.consent.storage import is_there, read_record, writable_by_others
from edge.consent.trust import Assurance
from edge.errors import PolicyError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RANKS: Mapping[str, int] = {"self-attested": 0, "agent-attested": 1, "trusted-issuer": 2}
"""Levels that a policy can require, with their rank."""

KNOWN_KEYS = ("require_assurance", "require_gate")


@dataclass(frozen=True, slots=True)
class Policy:
    """What this deployment forbids beyond the product's own rules.

    Attributes:
        require_assurance: The least assurance that a consent must have.
        require_gate: Whether nothing may be swapped without a content gate. One that is installed
            is asked in any case.
    """

    require_assurance: str = "self-attested"
    require_gate: bool = False


def policy_path() -> Path:
    """Return where the policy lies; it may not exist."""
    return resources.config_dir() / "policy.toml"


def load_policy() -> Policy:
    """Read this device's policy; an absent one forbids nothing.

    Raises:
        PolicyError: It is malformed, names an unknown key, cannot be read, or others may write to
            it.
    """
    path = policy_path()
    if not is_there(path, "policy", PolicyError):
        return Policy()
    record = read_record(path, "policy", PolicyError)
    if writable_by_others(path):
        raise PolicyError(f"others may write to the policy {path}: run 'chmod 644' on it")
    try:
        data = tomllib.loads(record.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
        raise PolicyError(f"the policy {path} is not valid TOML: {error}") from error
    return _policy_from(data, path)


def _policy_from(data: Mapping[str, object], path: Path) -> Policy:
    for key in data:
        if key not in KNOWN_KEYS:
            raise PolicyError(f"the policy {path}: no key '{key}'; known: {', '.join(KNOWN_KEYS)}")
    required = data.get("require_assurance", "self-attested")
    if not isinstance(required, str) or required not in RANKS:
        raise PolicyError(
            f"the policy {path}: require_assurance is {required!r}, not one of {', '.join(RANKS)}"
        )
    gate = data.get("require_gate", False)
    if not isinstance(gate, bool):
        raise PolicyError(f"the policy {path}: require_gate is {gate!r}, not true or false")
    return Policy(required, gate)


def check_assurance(policy: Policy, assurance: Assurance, whose: str) -> None:
    """Check that an assurance is enough for the policy.

    A synthetic consent is its signer's own word: only a trusted issuer's lifts it above a
    self-attested one.

    Raises:
        PolicyError: It is not.
    """
    if assurance.rank < RANKS[policy.require_assurance]:
        raise PolicyError(
            f"this device's policy requires {policy.require_assurance}, and {whose} is "
            f"{assurance.level}: {assurance.reason}"
        )
