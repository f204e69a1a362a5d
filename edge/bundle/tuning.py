"""What was measured on this very machine: in which order the ways of running a bundle are tried.

The file lies beside a bundle, not in it, and nobody signs it: it can do no more than choose among
the ways that the bundle holds, and set a number of threads.

```
alice-pi/  alice-pi.tuning.json        or   alice-pi.zip  alice-pi.zip.tuning.json

{
  "schema": "edge-swap/tuning-1",
  "bundle": "<id of the bundle, 64 hex digits>",
  "machine": "<machine_key() of the machine that it was measured on>",
  "order": ["ort", "litert"],           names of variants, the quickest first
  "threads": {"ort": 4, "litert": 4},   by name of a variant; may be left out
  "cores": {"ort": "4,5,6,7"},          to stay on, by variant; may be left out
  "engines": {"ort": "ort 1.32.0"},     engines and versions then, by variant; may be left out
  "trials": [{"way": "ort", ...}]       what was measured, for people; may be left out
}
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.backends import installed_version
from edge.bundle.contents import Contents
from edge.consent.canonical import FormError, parse_object, readable_json
from edge.consent.fields import Fields
from edge.consent.storage import read_record, write_private
from edge.errors import BundleError
from edge.machine import Machine, this_machine
from edge.threads import ALWAYS

__all__ = [
    "SCHEMA",
    "Tuning",
    "load_tuning",
    "machine_key",
    "save_tuning",
    "tuning_path",
]

SCHEMA = "edge-swap/tuning-1"
_MOST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found out about a bundle on a machine.

    Attributes:
        bundle: Id of the bundle.
        machine: Key of the machine; see `machine_key`.
        order: Names of variants, the quickest first; others come after them.
        threads: Threads by the name of a variant.
        engines: Backend and version ("ort 1.32.0") by the name of a variant.
        cores: Numbers of the cores to stay on, by the name of a variant; all where it has none.
    """

    bundle: str
    machine: str
    order: tuple[str, ...]
    threads: Mapping[str, int] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    cores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def tuning_path(bundle: Path) -> Path:
    """Return where the tuning of a bundle lies: beside it. It may not exist."""
    place = bundle.absolute()
    if place.name == "..":  # beside it is then in the very bundle, where no such file may lie
        place = place.resolve()
    return place.parent / f"{place.name}.tuning.json"


def machine_key(machine: Machine | None = None) -> str:
    """Return 16 hex digits for a kind of machine: board, processor, its features and cores.

    Args:
        machine: The machine; this one by default.
    """
    here = machine or this_machine()
    parts = (here.board, here.processor, here.architecture, str(here.cores), *here.features)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_tuning(bundle: Path, contents: Contents) -> tuple[Tuning | None, str]:
    """Read the tuning beside a bundle.

    Args:
        bundle: Path of the bundle.
        contents: What it holds.

    Returns:
        The tuning, and a note; None with an empty note where there is none, None with the reason
        where it is of no use here.
    """
    path = tuning_path(bundle)
    if not path.is_file():
        return None, ""
    try:
        tuning = _parse(read_record(path, "tuning", BundleError))
    except (FormError, BundleError) as error:
        return None, f"{path.name} is left out: {error}"
    if tuning.bundle != contents.id:
        return None, f"{path.name} is of another bundle, so it is left out: run 'edge tune' again"
    if tuning.machine != machine_key():
        return None, f"{path.name} is of another machine, so it is left out: run 'edge tune' again"
    for name, engine in tuning.engines.items():
        now = _engine_now(engine)
        if now != engine:
            return None, (
                f"{path.name} was measured with {engine} for {name}, and here is "
                f"{now or 'none'}, so it is left out: run 'edge tune' again"
            )
    return tuning, ""


def _engine_now(engine: str) -> str:
    """Return backend and version as they are here now; empty where it is not installed."""
    name = engine.partition(" ")[0]
    version = installed_version(name)
    return f"{name} {version}" if version else ""


def _parse(data: bytes) -> Tuning:
    fields = Fields(parse_object(data))
    fields.choice("schema", (SCHEMA,))
    threads = fields.mapping("threads") if fields.has("threads") else {}
    numbers = Fields(threads, "threads")
    engines = fields.mapping("engines") if fields.has("engines") else {}
    names = Fields(engines, "engines")
    cores = fields.mapping("cores") if fields.has("cores") else {}
    lists = Fields(cores, "cores")
    if fields.has("trials"):
        fields.mappings("trials")
    tuning = Tuning(
        bundle=fields.hex("bundle", 64),
        machine=fields.hex("machine", 16),
        order=fields.texts("order"),
        threads={name: numbers.number(name) for name in threads},
        engines={name: names.text(name) for name in engines},
        cores={name: _numbers(lists.text(name)) for name in cores},
    )
    fields.done()
    if not all(0 <= number <= ALWAYS for number in tuning.threads.values()):
        raise FormError(f"'threads' must lie between 0 and {ALWAYS}")
    return tuning


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        raise FormError("'cores' must be numbers with commas between them")
    return tuple(int(part) for part in parts)


def save_tuning(
    bundle: Path,
    contents: Contents,
    order: Sequence[str],
    threads: Mapping[str, int],
    *,
    engines: Mapping[str, str] | None = None,
    cores: Mapping[str, Sequence[int]] | None = None,
    trials: Sequence[Mapping[str, object]] = (),
) -> Path:
    """Write the tuning of a bundle for this machine; return the file.

    Args:
        bundle: Path of the bundle.
        contents: What it holds.
        order: Names of variants, the quickest first.
        threads: Threads by the name of a variant.
        engines: Backend and version by the name of a variant: with others it does not count.
        cores: Numbers of cores by the name of a variant, where it is to stay on them.
        trials: What was measured.

    Raises:
        BundleError: A name is none of the bundle's.
        OutputError: It cannot be written.
    """
    known = {variant.name for variant in contents.variants}
    unknown = sorted({*order, *threads, *(cores or {})} - known)
    if unknown:
        raise BundleError(f"{bundle}: has no way to run named '{unknown[0]}'")
    record: dict[str, object] = {
        "schema": SCHEMA,
        "bundle": contents.id,
        "machine": machine_key(),
        "order": list(order),
        "threads": dict(threads),
    }
    if engines:
        record["engines"] = dict(engines)
    if cores:
        record["cores"] = {name: ",".join(map(str, numbers)) for name, numbers in cores.items()}
    if trials:
        record["trials"] = [dict(trial) for trial in trials]
    path = tuning_path(bundle)
    write_private(path, readable_json(record), overwrite=True)
    return path
