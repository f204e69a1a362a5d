"""Make docs/spec/vectors anew: `python -m tests.docs.spec.make_vectors`, from the repository.

Only where the format has a new number: what is there must go on being read. The keys come from
phrases that stand here, so they are nobody's secret.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import pack
from edge.bundle.checking import read_papers
from edge.bundle.holders import FolderHolder
from edge.bundle.opening import open_bundle
from edge.bundle.seal import new_seal
from edge.consent.canonical import utc_text
from edge.consent.revocation import new_revocation
from edge.consent.signing import public_hex
from edge.consent.trust import TrustStore
from edge.jobs.file import swap_file
from tests.bundles import Made, bundle
from tests.docs.spec.outputs import assertions_of

VECTORS = Path(__file__).parents[3] / "docs" / "spec" / "vectors"
SIGNED = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


ABOUT = (
    "docs/spec/bundle-1.md, section 9. 'change' is applied to the unpacked bundle: 'flip' inverts "
    "the lowest bit of the byte at an offset, 'replace' writes a whole file, 'remove' takes files "
    "away. 'fails_at' is the step of section 6, or null. The seeds of the keys are SHA-256 of "
    "'edge-swap test vector: NAME'."
)


def key_of(name: str) -> Ed25519PrivateKey:
    """Return the key of one of the vectors' people."""
    seed = hashlib.sha256(f"edge-swap test vector: {name}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def cases(made: Made) -> list[dict[str, Any]]:
    """Return what happens to the bundle, and which step it then fails."""
    builder = public_hex(key_of("builder"))
    usual = {
        "now": utc_text(SIGNED + DAY),
        "trusted": [builder],
        "architecture": "x86_64",
        "revocations": [],
        "change": {},
    }
    good = (made.folder / "bundle.sig").read_text(encoding="utf-8")
    model = "models/tiny_baked.onnx"
    id_ = json.loads(good)["bundle"]
    late = made.stage.consent.not_after + DAY
    long = new_seal(id_, key_of("builder"), not_after=None, now=SIGNED)
    theirs = new_seal(id_, key_of("stranger"), not_after=None, now=SIGNED)
    renewed = new_seal(id_, key_of("builder"), not_after=None, now=SIGNED + 60 * DAY)
    seal = json.loads(long.to_bytes())
    unsigned = {**seal, "expires": utc_text(SIGNED + 80 * DAY)}
    revoked = [new_revocation(made.stage.consent, operator(), TrustStore(), "asked to").to_dict()]
    toml = (made.folder / "bundle.toml").read_text(encoding="utf-8")
    found: dict[str, tuple[int | None, dict[str, Any]]] = {
        "good": (None, {}),
        "good, in its first second": (None, {"now": utc_text(SIGNED)}),
        "good, in its last second": (None, {"now": utc_text(SIGNED + 90 * DAY)}),
        "renewed": (
            None,
            {
                "now": utc_text(SIGNED + 100 * DAY),
                "change": {"replace": {"bundle.sig": renewed.to_bytes().decode()}},
            },
        ),
        "a path that leaves": (2, {"change": {"replace": {"bundle.toml": _escaping(toml)}}}),
        "a newer format": (
            2,
            {"change": {"replace": {"bundle.toml": toml.replace("bundle-1", "bundle-2")}}},
        ),
        "contents changed": (3, {"change": {"flip": {"bundle.toml": toml.index("a machine")}}}),
        "no seal": (3, {"change": {"remove": ["bundle.sig"]}}),
        "a seal that was changed": (
            4,
            {"change": {"replace": {"bundle.sig": json.dumps(unsigned, indent=2)}}},
        ),
        "signed by another key": (
            5,
            {"change": {"replace": {"bundle.sig": theirs.to_bytes().decode()}}},
        ),
        "nobody is trusted": (5, {"trusted": []}),
        "signed in the future": (6, {"now": utc_text(SIGNED - DAY)}),
        "expired": (6, {"now": utc_text(SIGNED + 91 * DAY)}),
        "expired with the consent": (6, {"now": utc_text(late)}),
        "revoked": (7, {"revocations": revoked}),
        "another architecture": (8, {"architecture": "aarch64"}),
        "a model changed": (9, {"change": {"flip": {model: 100}}}),
        "a model missing": (9, {"change": {"remove": [model]}}),
        "a file more": (9, {"change": {"replace": {"more.txt": "x"}}}),
    }
    return [{"name": name, "fails_at": step, **usual, **new} for name, (step, new) in found.items()]


def _escaping(toml: str) -> str:
    return toml.replace('path = "licences/NOTICE.txt"', 'path = "../NOTICE.txt"')


def operator() -> Ed25519PrivateKey:
    from edge.consent.operator import operator_key

    return operator_key()


def main() -> None:
    """Write the vectors."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["EDGE_HOME"] = f"{name}/home"
        made = bundle(Path(name) / "home", Path(name) / "work", until=SIGNED + 360 * DAY)
        made.seal(key_of("builder"), now=SIGNED, architecture="x86_64")
        VECTORS.mkdir(parents=True, exist_ok=True)
        holder = FolderHolder(made.folder)
        seal = (made.folder / "bundle.sig").read_bytes()
        pack(
            holder,
            read_papers(holder).contents,
            VECTORS / "bundle.zip",
            seal=seal,
            mode=0o644,
        )
        table = {
            "about": ABOUT,
            "keys": {each: public_hex(key_of(each)) for each in ("builder", "stranger")},
            "bundle": "bundle.zip",
            "cases": cases(made),
        }
        text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
        (VECTORS / "vectors.json").write_text(text, encoding="utf-8")
        _assertions(made)


def _assertions(made: Made) -> None:
    """Write what one output of the bundle carries."""
    made.seal()  # the clock is not that of the vectors
    swapper = open_bundle(made.folder).swapper(
        purpose="film", target_is="synthetic", label_language="zh"
    )
    output = made.stage.folder / "out.png"
    swap_file(swapper, made.stage.picture(), output)
    own = {
        label: data
        for label, data in assertions_of(output).items()
        if label.startswith("org.edge-swap.") or label == "c2pa.soft-binding"
    }
    table = {
        "about": "docs/spec/assertions-1.md, section 8: the assertions of one output, by label.",
        "assertions": own,
    }
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    (VECTORS / "assertions.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
