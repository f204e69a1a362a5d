"""On which execution providers ONNX Runtime really runs the nodes of a model."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge.backends._provider_options import ready
from edge.backends.ort import _available, _engine_errors, _import_engine, _options

__all__ = ["NodeRun", "node_runs", "nodes_per_provider"]


def nodes_per_provider(
    path: Path, feeds: Mapping[str, NDArray[Any]], *, providers: Sequence[str], threads: int = 0
) -> dict[str, int]:
    """Return how many nodes ran on each execution provider, from the engine's profile of one run.

    A node is one of the graph as the engine has rewritten it; all that TensorRT takes is few of
    them. Empty where the engine does not tell.

    Args:
        path: an .onnx or .ort file.
        feeds: one array per input.
        providers: execution providers, as the model is run with them.
        threads: for one run.
    """
    ort = _import_engine()
    errors: tuple[type[Exception], ...] = (OSError, *_engine_errors())
    options = _options(ort, threads)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="edge-swap-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        try:
            chosen = ready(path, _available(ort, tuple(providers), True))
            session = ort.InferenceSession(str(path), options, providers=chosen)
            session.run(None, dict(feeds))
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        except errors:
            return {}
    found = Counter(run.provider for run in node_runs(events))
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One run of one node.

    Attributes:
        name: of the node, in the graph as the engine has rewritten it.
        operator: of it.
        provider: execution provider that ran it.
        micros: wall time, microseconds.
    """

    name: str
    operator: str
    provider: str
    micros: float


def node_runs(events: Iterable[Mapping[str, Any]]) -> Iterator[NodeRun]:
    """Yield the runs of nodes in a profile, whose events also tell of fences and sessions.

    Args:
        events: what the engine's profile holds.
    """
    for event in events:
        about = event.get("args") or {}
        name = str(event.get("name", ""))
        bare = name.removesuffix("_kernel_time")
        if event.get("cat") != "Node" or bare == name or "provider" not in about:
            continue
        operator, took = str(about.get("op_name", "")), float(event.get("dur", 0))
        yield NodeRun(bare, operator, str(about["provider"]), took)
