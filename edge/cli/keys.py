"""`edge keys`: show, import or rotate the keys that sign this device's outputs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli import one_line

if TYPE_CHECKING:
    from edge.provenance.keys import DeviceKeys

HELP = "show, import or rotate the keys that sign this device's outputs"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|import|rotate")
    for name, text in (
        ("show", "fingerprints, validity and places; makes the keys at first use"),
        ("import", "use a key and certificate chain that somebody else issued"),
        ("rotate", "make a new key and chain; what the old one signed stays trusted here"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--json", action="store_true", help="print one JSON object")
        if name == "import":
            action.add_argument("--key", type=Path, required=True, help="PEM private key")
            action.add_argument(
                "--chain", type=Path, required=True, help="PEM certificates, the signing one first"
            )


def run(arguments: argparse.Namespace) -> int:
    """Do it; return 0."""
    from edge.provenance import keys

    if arguments.action == "import":
        current = keys.import_keys(arguments.key, arguments.chain)
    elif arguments.action == "rotate":
        keys.device_keys()  # there may be none yet, and one that others can read is refused
        current = keys.rotate()
    else:
        current = keys.device_keys()
    facts = _facts(current)
    if arguments.action != "show":
        from edge.consent.ledger import Ledger

        details = {"what": arguments.action, "leaf_sha256": facts["leaf_sha256"]}
        Ledger().event("key-rotation", details)
    if arguments.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return 0
    lines = [
        ("signer", facts["subject"]),
        ("algorithm", facts["algorithm"]),
        ("valid", f"{facts['not_before']} to {facts['not_after']}"),
        ("leaf", f"sha256 {facts['leaf_sha256']}"),
        ("root", f"sha256 {facts['root_sha256']}"),
        ("key file", facts["key_file"]),
        ("root file", f"{facts['root_file']} (give this one to those who shall trust this device)"),
        *(("retired", path) for path in facts["retired"]),
        (
            "operator",
            f"{facts['operator_key'] or 'no key yet'} (signs consents, identities and bundles: the "
            "builder's key)",
        ),
    ]
    for name, value in lines:
        sys.stdout.write(f"{name:<10} {one_line(value)}\n")
    return 0


def _facts(current: DeviceKeys) -> dict[str, Any]:
    from edge.consent.operator import operator_public_key
    from edge.provenance import certificates, keys
    from edge.provenance.manifest import timestamp

    root = certificates.fingerprint(current.root)
    anchors = keys.device_anchors()
    root_file = next((path for path in anchors if path.stem.endswith(root)), None)
    return {
        "subject": certificates.common_name(current.leaf.subject),
        "issuer": certificates.common_name(current.leaf.issuer),
        "algorithm": certificates.algorithm_of(current.key),
        "not_before": timestamp(current.leaf.not_valid_before_utc),
        "not_after": timestamp(current.leaf.not_valid_after_utc),
        "leaf_sha256": certificates.fingerprint(current.leaf),
        "root_sha256": root,
        "key_file": str(current.path),
        "root_file": str(root_file) if root_file is not None else None,
        "operator_key": operator_public_key(),
        "retired": [str(path) for path in anchors if path != root_file],
    }
