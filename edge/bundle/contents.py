"""`bundle.toml`: what a bundle holds, for which kind of device, and how it is run there."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from edge.consent.canonical import sha256_hex
from edge.errors import BundleError, UsageError
from edge.tables import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "CARDS",
    "CONSENT",
    "CONTENTS",
    "MODELS",
    "MOST_CONTENTS",
    "SCHEMA",
    "SEAL",
    "Contents",
    "Part",
    "Variant",
    "check_part_path",
    "parse_contents",
]

SCHEMA = "edge-swap/bundle-1"

CONTENTS, SEAL, CONSENT = "bundle.toml", "bundle.sig", "consent.json"
"""Names of the files that every reader needs; the consent is there where somebody is baked in."""
CARDS, MODELS = "cards", "models"
"""Names of the folders with the cards, and with the files that they mean."""

MOST_CONTENTS = 1 << 20
"""Bytes of the largest bundle.toml."""
_MOST_PARTS = 500
_MOST_BYTES = 8 << 30  # of all files together
_MOST_PATH, _DEEPEST = 200, 4

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
_ARCHITECTURES = ("x86_64", "aarch64")
_ENGINES = ("ort", "litert", "tflite", "mnn", "ncnn", "openvino")
_PRECISIONS = ("fp32", "fp16", "int8", "w8")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a bundle.

    Attributes:
        path: Where it lies in the bundle, with "/" between folders.
        sha256: Hex digest.
        size: Bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the bundle's swap model.

    Attributes:
        name: Of this way: litert, tensorrt.
        card: Card name of the swap model in the form that this way takes.
        engine: Backend: ort, litert, tflite, mnn, ncnn or openvino.
        providers: Execution providers, best first; the first one must be the one that runs.
        oldest: Oldest version of the engine that will do.
        cpu: Features that the processor must have, as /proc/cpuinfo spells them.
        threads: Of the engine; 0 leaves it to the engine.
        api: The oldest and the newest Android API level for it; None where that says nothing.
    """

    name: str
    card: str
    engine: str
    providers: tuple[str, ...]
    oldest: str
    cpu: tuple[str, ...]
    threads: int
    api: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What bundle.toml says.

    Attributes:
        id: SHA-256 of its bytes, hex: the bundle's id, which a seal signs.
        made_with: Name and version of the software that made it.
        target: Name of the kind of device.
        title: That kind, for people.
        architecture: Of its processor: x86_64 or aarch64.
        precision: Of the swap model: fp32, fp16, int8 or w8.
        identity: Commitment of the identity that is baked in; empty where none is.
        consent: Id of its consent; empty likewise.
        detector: Card name of the face detector.
        masks: Card names of the maskers.
        variants: The ways to run it, best first.
        parts: Every file beside bundle.toml and bundle.sig.
    """

    id: str
    made_with: str
    target: str
    title: str
    architecture: str
    precision: str
    identity: str
    consent: str
    detector: str
    masks: tuple[str, ...]
    variants: tuple[Variant, ...]
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def part(self, path: str) -> Part | None:
        """Return the part at a path, or None."""
        return next((part for part in self.parts if part.path == path), None)


def check_part_path(path: str) -> None:
    """Check that a path stays in the bundle, on every file system.

    Raises:
        UsageError: It may not; says why.
    """
    segments = path.split("/")
    if not 0 < len(path) <= _MOST_PATH or len(segments) > _DEEPEST:
        raise UsageError(f"the path {path[:80]!r} is too long or too deep")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise UsageError(
            f"the path {path[:80]!r} leaves the bundle, or has other signs than letters, digits, "
            "'_', '.', '+' and '-'"
        )
    if path in (CONTENTS, SEAL):
        raise UsageError(f"{path} cannot state its own hash")


def parse_contents(data: bytes, where: str) -> Contents:
    """Read bundle.toml.

    Args:
        data: Its bytes.
        where: The bundle as the user named it, for messages.

    Raises:
        BundleError: It is malformed, of another version, or names a path outside of the bundle.
    """
    name = f"{where}: {CONTENTS}"
    try:
        values = tomllib.loads(data.decode("utf-8"))
        schema = values.get("schema")
        if isinstance(schema, str) and schema != SCHEMA and schema.startswith("edge-swap/bundle-"):
            raise BundleError(
                f"{where}: is of the format {schema[:40]!r}, and this edge-swap reads {SCHEMA}: "
                "install a newer edge-swap, or build the bundle with this one"
            )
        return _parse(Table(name, values, BundleError), sha256_hex(data))
    except UsageError as error:
        raise BundleError(f"{name}: {error}") from error
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, too many digits
        raise BundleError(f"{name} is not valid TOML: {error}") from error


def _parse(top: Table, digest: str) -> Contents:
    top.choice("schema", (SCHEMA,))
    identity, consent = _identity(top)
    contents = Contents(
        id=digest,
        made_with=top.text("made_with"),
        target=_matching(top, "target", _NAME),
        title=top.text("title"),
        architecture=top.choice("architecture", _ARCHITECTURES),
        precision=top.choice("precision", _PRECISIONS),
        identity=identity,
        consent=consent,
        detector=top.text("detector"),
        masks=top.texts("masks", default=()),
        variants=tuple(_variant(table) for table in top.tables("variants")),
        parts=tuple(_part(table) for table in top.tables("files")),
    )
    top.end()
    _check_sense(contents, top)
    return contents


def _identity(top: Table) -> tuple[str, str]:
    if not top.has("identity"):
        return "", ""
    table = top.table("identity")
    found = _matching(table, "commitment", _DIGEST), _matching(table, "consent", _UUID)
    table.end()
    return found


def _variant(table: Table) -> Variant:
    variant = Variant(
        name=_matching(table, "name", _NAME),
        card=table.text("card"),
        engine=table.choice("engine", _ENGINES),
        providers=table.texts("providers"),
        oldest=_matching(table, "oldest", _VERSION),
        cpu=table.texts("cpu", default=()),
        threads=table.whole("threads", low=0, default=0),
        api=_api(table),
    )
    table.end()
    if not variant.providers:
        raise table.error("'providers' must not be empty")
    return variant


def _api(table: Table) -> tuple[int, int] | None:
    if not table.has("api"):
        return None
    levels = table.wholes("api", low=1)
    if len(levels) != 2 or levels[0] > levels[1]:
        raise table.error(f"'api' must be [oldest, newest], not {list(levels)}")
    return levels[0], levels[1]


def _part(table: Table) -> Part:
    part = Part(table.text("path"), _matching(table, "sha256", _DIGEST), table.whole("size", low=0))
    table.end()
    check_part_path(part.path)
    return part


def _matching(table: Table, key: str, form: re.Pattern[str]) -> str:
    text = table.text(key)
    if not form.fullmatch(text):
        raise table.error(f"'{key}' has not the form that it must have: {text[:80]!r}")
    return text


def _check_sense(contents: Contents, top: Table) -> None:
    names = [variant.name for variant in contents.variants]
    if not names or len(set(names)) != len(names):
        raise top.error("'variants' must be there, each with a name of its own")
    if len(contents.parts) > _MOST_PARTS or contents.size > _MOST_BYTES:
        raise top.error(f"it names more than {_MOST_PARTS} files, or {_MOST_BYTES >> 30} GiB")
    paths = [part.path.lower() for part in contents.parts]  # some file systems know no case
    if len(set(paths)) != len(paths):
        raise top.error("'files' names a path twice")
    folders = {path[:at] for path in paths for at, sign in enumerate(path) if sign == "/"}
    if folders & set(paths):
        raise top.error("'files' names a file where there is a folder")
    if (contents.part(CONSENT) is None) == bool(contents.identity):
        raise top.error(f"{CONSENT} is there exactly where an identity is baked in")
