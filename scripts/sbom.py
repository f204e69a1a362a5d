"""Write the software bill of materials that the wheel carries: CycloneDX 1.6, from the lock.

    sbom.py            write scripts/sbom.cdx.json
    sbom.py --check    say whether it is what the lock, the cards and the version make it

It lists what can be installed with the runtime and the toolchain, in the versions and with the
hashes that the lock pins, and the reference models. It holds no date, so that a wheel comes again
byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.locked import Pin, closure, plain, project_table, read_lock, wanted

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "scripts" / "sbom.cdx.json"
EXTRAS = ["cpu", "video", "live", "litert", "mnn", "ncnn", "quantize"]
"""What a user installs; what developers need is no part of the product."""

_VERSION = re.compile(r"==([^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def component(name: str, pin: Pin) -> dict[str, Any]:
    """Return one pinned package."""
    text = "\n".join(pin.lines)
    found = _VERSION.search(text)
    assert found is not None
    version = found[1]
    reference = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(_HASH.findall(text))],
    }


def models() -> list[dict[str, Any]]:
    """Return the models that the wheel carries."""
    found = []
    for path in sorted((ROOT / "models" / "weights").glob("*.onnx")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"model:{path.stem}@{digest[:12]}",
                "name": path.stem,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        )
    return found


def bill() -> str:
    """Return the bill of materials as JSON."""
    project = project_table(ROOT)
    pins = read_lock((ROOT / "scripts" / "lock.txt").read_text(encoding="utf-8"))
    names = sorted(closure(pins, wanted(project, EXTRAS)))
    parts = {name: [component(name, pin) for pin in pins[name]] for name in names}
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    shipped = models()
    needs: dict[str, set[str]] = {own: {each["bom-ref"] for each in shipped}}
    for name in names:
        for pin, part in zip(pins[name], parts[name], strict=True):
            needs.setdefault(part["bom-ref"], set())
            for user in pin.via:
                users = [own] if user == plain(project["name"]) else []
                users += [each["bom-ref"] for each in parts.get(user, ())]
                for each in users:
                    needs.setdefault(each, set()).add(part["bom-ref"])
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [part for name in names for part in parts[name]] + shipped,
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(others)} for ref, others in sorted(needs.items())
        ],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(digest[:32], version=5)}"
    return json.dumps(document, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write the bill, or check it; return 1 where it is not what it should be."""
    if arguments == ["--check"]:
        if not PLACE.is_file() or PLACE.read_text(encoding="utf-8") != bill():
            sys.stdout.write("scripts/sbom.cdx.json is out of date: run scripts/sbom.py\n")
            return 1
        return 0
    PLACE.write_text(bill(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
