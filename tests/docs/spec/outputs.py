"""Read the data of an output's assertions straight from its manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.provenance.container import sniff


def assertions_of(path: Path) -> dict[str, Any]:
    """Return the data of the assertions that the signer attests, by label."""
    import c2pa

    with path.open("rb") as stream:
        kind = sniff(stream.read(64))
        assert kind is not None
        stream.seek(0)
        with c2pa.Reader(kind.media_type, stream) as reader:
            content = json.loads(reader.json())
    active = content["manifests"][content["active_manifest"]]
    return {
        str(each["label"]): each["data"] for each in active["assertions"] if each.get("created")
    }
