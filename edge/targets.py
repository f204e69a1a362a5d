"""How models are run on a kind of device: the part of a target's profile that the device reads.

`targets/<name>/profile.toml` states the ways to run a model there, best first. Options of execution
providers come from the profile that is installed and from nowhere else: a bundle names providers,
and what they are opened with (paths of caches, for one) is not a stranger's to say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from edge import resources
from edge.errors import BackendError, EdgeError
from edge.providers import CPU_PROVIDER, Provider
from edge.tables import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["BackendSpec", "parse_backends", "ways_of", "with_options"]

Format = Literal["onnx", "ort", "tflite", "mnn", "ncnn"]

_FORMATS: tuple[Format, ...] = ("onnx", "ort", "tflite", "mnn", "ncnn")
_TAKES: Mapping[str, tuple[Format, ...]] = {
    "ort": ("onnx", "ort"),
    "litert": ("tflite",),
    "tflite": ("tflite",),
    "mnn": ("mnn",),
    "ncnn": ("ncnn",),
    "openvino": ("onnx",),
}
_DEVICES = ("", "cuda", "cpu")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
_OPTION = re.compile(r"[A-Za-z0-9_.]{1,64}")
_TARGET = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """One way to run a model on a device.

    Attributes:
        name: of this way, for people and for `edge tune`: "litert", "tensorrt".
        engine: name of the backend: ort, litert, tflite, mnn, ncnn or openvino.
        form: format of the model file that it takes.
        providers: execution providers in order of preference, with their options; the first must
            be the one that runs.
        oldest: oldest version of the engine that will do, as in "1.22".
        cpu: features that the processor must have, as /proc/cpuinfo spells them.
        threads: of the engine; 0 leaves it to the engine. Idle threads never spin.
        api: the oldest and the newest Android API level for it; None where that says nothing.
    """

    name: str
    engine: str
    form: Format
    providers: tuple[str, ...]
    oldest: str
    cpu: tuple[str, ...] = ()
    threads: int = 0
    api: tuple[int, int] | None = None


def parse_backends(tables: Iterable[Table], top: Table) -> tuple[BackendSpec, ...]:
    """Read the ways to run a model, [[backends]].

    Args:
        tables: one per way.
        top: the profile, for errors.

    Raises:
        EdgeError: the profile's error, where a table is malformed or there is none.
    """
    found: dict[str, BackendSpec] = {}
    for table in tables:
        spec = BackendSpec(
            name=table.text("name"),
            engine=table.choice("engine", tuple(_TAKES)),
            form=cast(Format, table.choice("format", _FORMATS)),
            providers=_providers(table),
            oldest=table.text("oldest"),
            cpu=table.texts("cpu", default=()),
            threads=table.whole("threads", low=0, default=0),
            api=_api(table),
        )
        table.end()
        if not _NAME.fullmatch(spec.name) or spec.name in found:
            raise table.error(f"'name' must be a short word of its own, not '{spec.name}'")
        if not _VERSION.fullmatch(spec.oldest):
            raise table.error(f"'oldest' must be a version like \"1.22\", not '{spec.oldest}'")
        if spec.form not in _TAKES[spec.engine] or not spec.providers:
            raise table.error(f"{spec.engine} takes {' or '.join(_TAKES[spec.engine])}")
        found[spec.name] = spec
    if not found:
        raise top.error("'backends' must not be empty")
    return tuple(found.values())


def _api(table: Table) -> tuple[int, int] | None:
    if not table.has("api"):
        return None
    levels = table.wholes("api", low=1)
    if len(levels) != 2 or levels[0] > levels[1]:
        raise table.error("'api' must hold the oldest and the newest API level")
    return levels[0], levels[1]


def _providers(table: Table) -> tuple[str, ...]:
    """Return the providers of one way, each with its options."""
    names = table.texts("providers", default=(CPU_PROVIDER,))
    options, fixed = (_options(table, key, names) for key in ("options", "static_options"))
    device = table.choice("binding", _DEVICES, default="")
    return tuple(
        Provider(name, options.get(name, {}), fixed.get(name, {}), device) for name in names
    )


def _options(table: Table, key: str, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    if not table.has(key):
        return {}
    outer = table.table(key)
    found = {}
    for name in names:
        if not outer.has(name):
            continue
        inner = outer.table(name)
        found[name] = {option: inner.text(option) for option in inner.names()}
        strange = [option for option in found[name] if not _OPTION.fullmatch(option)]
        if strange:
            raise outer.error(f"'{strange[0]}' is no name of an option")
    outer.end()
    return found


def _profile(target: str) -> Mapping[str, Any]:
    known = sorted(path.parent.name for path in resources.targets_dir().glob("*/profile.toml"))
    if not _TARGET.fullmatch(target) or target not in known:
        raise BackendError(f"no target '{target[:64]}'; known: {', '.join(known) or 'none'}")
    path = resources.targets_dir() / target / "profile.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BackendError(f"target {target}: its profile cannot be read: {error}") from error


def ways_of(target: str) -> tuple[BackendSpec, ...]:
    """Return the ways to run a model on a target, best first, from the installed profile.

    Args:
        target: its name: jetson.

    Raises:
        BackendError: there is no such target, or its profile is malformed.
    """
    kind: type[EdgeError] = BackendError
    top = Table(f"target {target}", _profile(target), kind)
    return parse_backends(top.tables("backends"), top)


def with_options(target: str, way: str, providers: tuple[str, ...]) -> tuple[str, ...]:
    """Return a way's providers with the options that the installed profile of a target gives them.

    Args:
        target: its name; one that is not installed here gives no options.
        way: name of the way.
        providers: as a bundle names them.
    """
    try:
        ways = {spec.name: spec for spec in ways_of(target)}
    except BackendError:
        return providers
    known = {str(one): one for one in ways[way].providers} if way in ways else {}
    return tuple(known.get(name, name) for name in providers)
