"""How much may be asked of this device: `limits.toml` in the configuration folder.

```toml
[picture]
max_side = 16383           # pixels
max_pixels = 64000000
max_mib = 256              # of the file

[video]
max_side = 8192            # pixels of a frame
max_pixels = 36000000
max_seconds = 86400        # as the file states
max_frames = 12000000      # as they are decoded
max_rate = 1000            # frames a second
max_streams = 64

[model]
max_mib = 2048             # of the file and of its weights beside it
max_nodes = 100000
max_tensor_mib = 1024      # of one weight, input or constant result, as the graph declares it
domains = []               # of custom operators that this device's engine has (TFLite: their names)
run_seconds = 600          # of one run of a model; 0: as long as it takes

[isolation]
memory_mib = 4096          # beyond what the child starts with
seconds = 120              # beside the time for the file's size
command_memory_mib = 16384 # of a whole command with --isolate
command_seconds = 0        # of the same; 0: as long as it takes
```

What stands there are the defaults. A small device sets less; an archive may set more.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from edge import resources
from edge.errors import PolicyError
from edge.isolation.bounds import Bounds
from edge.media.limits import DEFAULT_LIMITS, VIDEO_LIMITS, Limits, VideoLimits
from edge.tables import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MIB = 1 << 20

_MOST_MIB = 1 << 40
"""Of any limit. As bytes it is within what the system's calls take, which 64 bits are not."""

_MOST_SECONDS = 1_000_000_000
"""Of any limit, 31 years: the system's clocks take no number that is much larger."""


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What is refused of a model before an engine opens it.

    Attributes:
        max_bytes: Of the file and of its weights beside it.
        max_nodes: Nodes of the graph, subgraphs included.
        max_tensor_bytes: Of one weight, input or constant result, as the graph declares it.
        domains: Of operators beyond the built-in ones that an engine here is known to have.
        run_seconds: That one run of a model may take; 0 for no end.
    """

    max_bytes: int = 2048 * _MIB
    max_nodes: int = 100_000
    max_tensor_bytes: int = 1024 * _MIB
    domains: tuple[str, ...] = ()
    run_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """All limits of this device."""

    picture: Limits = DEFAULT_LIMITS
    video: VideoLimits = VIDEO_LIMITS
    model: ModelLimits = field(default_factory=ModelLimits)
    child: Bounds = field(default_factory=Bounds)
    command: Bounds = field(default_factory=partial(Bounds, memory=16 << 30, seconds=0.0))


def limits_path() -> Path:
    """Return where the limits are set; it may not exist."""
    return resources.config_dir() / "limits.toml"


def device_limits() -> DeviceLimits:
    """Return this device's limits: those of `limits.toml`, and the defaults for the rest.

    Raises:
        PolicyError: The file is malformed, names an unknown key, or others may write to it.
    """
    path = limits_path()
    if not path.exists():
        return DeviceLimits()
    from edge.consent.storage import read_record, writable_by_others

    if writable_by_others(path):
        raise PolicyError(f"others may write to the limits {path}: run 'chmod 644' on it")
    try:
        values = tomllib.loads(read_record(path, "limits", PolicyError).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
        raise PolicyError(f"the limits {path} are not valid TOML: {error}") from error
    return _read(Table(f"the limits {path}", values, PolicyError))


def _read(top: Table) -> DeviceLimits:
    found = DeviceLimits()
    if top.has("picture"):
        found = replace(found, picture=_picture(top.table("picture"), found.picture))
    if top.has("video"):
        found = replace(found, video=_video(top.table("video"), found.video))
    if top.has("model"):
        found = replace(found, model=_model(top.table("model"), found.model))
    if top.has("isolation"):
        table = top.table("isolation")
        found = replace(found, child=_child(table, found.child, ""))
        found = replace(found, command=_child(table, found.command, "command_"))
        table.end()
    top.end()
    return found


def _picture(table: Table, known: Limits) -> Limits:
    found = replace(
        known,
        max_side=table.whole("max_side", low=16, default=known.max_side),
        max_pixels=table.whole("max_pixels", low=256, default=known.max_pixels),
        max_bytes=_bytes(table, "max_mib", known.max_bytes),
    )
    table.end()
    return found


def _video(table: Table, known: VideoLimits) -> VideoLimits:
    found = replace(
        known,
        max_side=table.whole("max_side", low=16, default=known.max_side),
        max_pixels=table.whole("max_pixels", low=256, default=known.max_pixels),
        max_seconds=table.number("max_seconds", default=known.max_seconds),
        max_frames=table.whole("max_frames", default=known.max_frames),
        max_rate=table.number("max_rate", default=known.max_rate),
        max_streams=table.whole("max_streams", default=known.max_streams),
    )
    table.end()
    return found


def _model(table: Table, known: ModelLimits) -> ModelLimits:
    found = ModelLimits(
        max_bytes=_bytes(table, "max_mib", known.max_bytes),
        max_nodes=table.whole("max_nodes", default=known.max_nodes),
        max_tensor_bytes=_bytes(table, "max_tensor_mib", known.max_tensor_bytes),
        domains=table.texts("domains", default=known.domains),
        run_seconds=_seconds(table, "run_seconds", known.run_seconds),
    )
    table.end()
    return found


def _child(table: Table, known: Bounds, prefix: str) -> Bounds:
    return replace(
        known,
        memory=_bytes(table, f"{prefix}memory_mib", known.memory, low=256),
        seconds=_seconds(table, f"{prefix}seconds", known.seconds),
    )


def _bytes(table: Table, key: str, known: int, *, low: int = 1) -> int:
    """Return the bytes of a limit that is stated in MiB."""
    return table.whole(key, low=low, high=_MOST_MIB, default=known // _MIB) * _MIB


def _seconds(table: Table, key: str, known: float) -> float:
    return float(table.whole(key, low=0, high=_MOST_SECONDS, default=round(known)))
