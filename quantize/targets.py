"""Target profiles: one TOML file per kind of device; here it becomes a frozen record.

They lie in `targets/<name>/profile.toml`. The list of folders is the list of targets.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from edge import resources
from edge.errors import UsageError
from edge.tables import Table
from edge.targets import BackendSpec, parse_backends
from quantize.errors import TargetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from quantize.engine import Kernels

__all__ = [
    "EXTRA_ENGINES",
    "FORMATS",
    "ORT_STYLES",
    "BackendSpec",
    "Format",
    "OrtStyle",
    "Release",
    "TargetProfile",
    "load_target",
    "target_names",
]

Format = Literal["onnx", "ort", "tflite", "mnn", "ncnn"]
FORMATS: tuple[Format, ...] = ("onnx", "ort", "tflite", "mnn", "ncnn")

OrtStyle = Literal["fixed", "runtime"]
"""When an .ort file is rewritten for speed.

* fixed: now; for engines that run all of it on the processor.
* runtime: what can wait is done when the model is loaded, with the nodes that an accelerator
  (NNAPI, Core ML) left over.
"""
ORT_STYLES: tuple[OrtStyle, ...] = ("fixed", "runtime")

EXTRA_ENGINES: Mapping[str, tuple[Format, str]] = {
    "mnn": ("mnn", "3.0"),
    "ncnn": ("ncnn", "1.0"),
    "openvino": ("onnx", "2025.0"),
}
"""Engines that a bundle can hold a way for beside its target's own: format and oldest version."""

_PRECISIONS = ("fp32", "fp16", "int8", "w8")
_PROFILE = "profile.toml"
_FINISH = "after_int8"
_ARCHITECTURES = ("x86_64", "aarch64")
_KERNELS = ("default", "precise", "reference")
_HALVES = ("computed", "stored")
_CHECKERS = ("nnapi", "tensorrt", "xnnpack")
_MOST_BYTES = 64 * 1024
# What a format needs whatever the device, where a profile says nothing of it.
_USUAL_PASSES: Mapping[Format, tuple[str, ...]] = {"mnn": (), "ncnn": ("depth_to_space_crd",)}


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a target's software that models must run on.

    Attributes:
        name: JetPack 6.
        opset: the oldest and the newest opset that it reads.
        ir_version: the newest version of the file format that it reads.
    """

    name: str
    opset: tuple[int, int]
    ir_version: int


@dataclass(frozen=True, slots=True)
class TargetProfile:
    """A kind of device.

    Attributes:
        name: of its folder: raspberry_pi.
        title: one line for people.
        architecture: of its processor: x86_64 or aarch64.
        passes: names of the rewrites that an ONNX model gets for it, in order.
        kernels: with which kernels quality is measured on this machine.
        recipes: name of the recipe by precision; "int8_tflite" is that of 8-bit TFLite files.
        format_passes: names of the rewrites by format, and for one precision alone by both:
            "onnx_fp16". "after_int8" names those for ONNX models that have been quantized, and
            "after_int8_onnx" those that such a model gets on top in one format.
        ort_style: how much of the engine's own rewriting a .ort file holds: "fixed" (all, for the
            CPU) or "runtime" (what other providers leave is kept as a note).
        backends: the ways to run a model there, best first.
        half: what half precision means there: "computed" with, or only "stored" and turned into
            float32 when the model is loaded.
        checks: names of the static checks (`quantize.checks`) by format.
        releases: of its software that a model must run on.
        notice: what whoever makes a model for it has to know; empty where there is nothing.
    """

    name: str
    title: str
    architecture: str
    passes: tuple[str, ...]
    kernels: Kernels
    recipes: Mapping[str, str]
    format_passes: Mapping[str, tuple[str, ...]]
    ort_style: OrtStyle = "fixed"
    backends: tuple[BackendSpec, ...] = ()
    half: Literal["computed", "stored"] = "computed"
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()
    notice: str = ""

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats that its backends take, in the order of the backends."""
        return tuple(dict.fromkeys(each.form for each in self.backends))

    def also_with(self, engines: Sequence[str]) -> TargetProfile:
        """Return the profile with a way more for each of these engines, behind its own.

        Raises:
            UsageError: one is none of `EXTRA_ENGINES`.
        """
        unknown = [name for name in engines if name not in EXTRA_ENGINES]
        if unknown:
            raise UsageError(f"no engine '{unknown[0]}' to add; known: {', '.join(EXTRA_ENGINES)}")
        have = {each.name for each in self.backends}
        more = [
            BackendSpec(name, name, form, ("CPUExecutionProvider",), oldest)
            for name, (form, oldest) in EXTRA_ENGINES.items()
            if name in engines and name not in have
        ]
        return replace(self, backends=(*self.backends, *more))

    def checkers(self, form: Format) -> tuple[str, ...]:
        """Return the names of the static checks for a format."""
        return self.checks.get(form, ())

    def rewrites(self, form: Format, precision: str) -> tuple[str, ...]:
        """Return the names of the rewrites for a format and a precision, in order."""
        return self.format_passes.get(f"{form}_{precision}", self.format_passes[form])

    def finishes(self, form: Format, precision: str) -> tuple[str, ...]:
        """Return the names of the rewrites for a model that has its precision, in order."""
        wanted = precision == "int8" and form != "tflite"  # TFLite is written by its own rules
        if not wanted:
            return ()
        of_form = self.format_passes.get(f"{_FINISH}_{form}", ())
        return (*self.format_passes.get(_FINISH, ()), *of_form)

    def recipe(self, precision: str, form: Format) -> str:
        """Return the name of the recipe for a precision and a format.

        Raises:
            TargetError: the profile names none.
        """
        for key in (f"{precision}_{form}", precision):
            if key in self.recipes:
                return self.recipes[key]
        raise TargetError(
            f"target {self.name} has no recipe for {precision}: name one in its {_PROFILE}"
        )


def target_names() -> tuple[str, ...]:
    """Return the names of all targets, sorted."""
    found = resources.targets_dir().glob(f"*/{_PROFILE}")
    return tuple(sorted(path.parent.name for path in found))


def load_target(name: str) -> TargetProfile:
    """Read and check a target's profile.

    Args:
        name: of the target.

    Raises:
        TargetError: no such target, or its profile is malformed.
    """
    if name not in target_names():
        known = ", ".join(target_names())
        raise TargetError(f"no target '{name}'; known: {known or 'none'}")
    return read_profile(resources.targets_dir() / name / _PROFILE)


def read_profile(path: Path) -> TargetProfile:
    """Read a profile from its file; the folder gives the target's name.

    Raises:
        TargetError: unreadable, not TOML, or malformed.
    """
    where = f"target {path.parent.name}"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TargetError(f"{where}: larger than {_MOST_BYTES} bytes, so no profile")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"{where}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{where}: not valid TOML: {error}") from error
    return _parse(path.parent.name, Table(where, values, TargetError), values)


def _parse(name: str, top: Table, values: Mapping[str, Any]) -> TargetProfile:
    passes = _passes(top.table("passes"), values["passes"])
    recipes_table = top.table("recipes")
    recipes = {key: recipes_table.text(key) for key in values["recipes"]}
    if "int8" not in recipes:
        raise recipes_table.error("'int8' is missing")
    profile = TargetProfile(
        name=name,
        title=top.text("title"),
        architecture=top.choice("architecture", _ARCHITECTURES),
        passes=passes["onnx"],
        kernels=cast("Kernels", top.choice("kernels", _KERNELS)),
        recipes=recipes,
        format_passes=passes,
        ort_style=cast("OrtStyle", top.choice("ort_style", ORT_STYLES)),
        backends=parse_backends(top.tables("backends"), top),
        half=cast("Literal['computed', 'stored']", top.choice("half", _HALVES, default="computed")),
        checks=_checks(top),
        releases=_releases(top),
        notice=top.text("notice", default=""),
    )
    top.end()
    return profile


def _checks(top: Table) -> dict[str, tuple[str, ...]]:
    if not top.has("checks"):
        return {}
    table = top.table("checks")
    found: dict[str, tuple[str, ...]] = {form: table.texts(form, default=()) for form in FORMATS}
    for form, names in found.items():
        for name in names:
            if name not in _CHECKERS:
                raise table.error(f"'{form}' must be among {', '.join(_CHECKERS)}, not '{name}'")
    table.end()
    return found


def _releases(top: Table) -> tuple[Release, ...]:
    found = []
    for table in top.tables("releases", default=()):
        opset = table.wholes("opset", low=1)
        if len(opset) != 2 or opset[0] > opset[1]:
            raise table.error("'opset' must hold the oldest and the newest one")
        name = table.text("name")
        found.append(Release(name, (opset[0], opset[1]), table.whole("ir_version")))
        table.end()
    return tuple(found)


def _passes(table: Table, values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    precise = (f"{form}_{one}" for form in FORMATS for one in _PRECISIONS)
    known = (*FORMATS, *precise, _FINISH, *(f"{_FINISH}_{form}" for form in FORMATS))
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise table.error(f"unknown key '{unknown[0]}'; known here: {', '.join(known)}")
    found: dict[str, tuple[str, ...]] = {}
    for key in (*FORMATS, *values):
        usual = _USUAL_PASSES.get(cast(Format, key))
        names = values.get(key, None if usual is None else list(usual))
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise table.error(f"'{key}' must be a list of names of passes")
        found[key] = tuple(names)
    return found
