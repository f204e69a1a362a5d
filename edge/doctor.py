"""What is well and what ails this installation: findings, each with its mend.

The patient may be very ill: every package is probed in a process of its own, because some builds
crash at import, and every part of edge-swap is asked through its public functions, whose failure
is itself a finding. Nothing is made, changed or sent.
"""

from __future__ import annotations

import os
import platform
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import edge
from edge import resources
from edge.errors import EdgeError
from edge.machine import Machine, this_machine
from edge.probe import Probe, probe_packages

State = Literal["ok", "note", "problem"]

REFERENCE_MODELS = (
    "ref_detector",
    "ref_detector_int8",
    "ref_landmarker",
    "ref_embedder",
    "ref_swapper",
    "ref_swapper_256",
)
"""Models that every installation carries."""

ENGINES = ("onnxruntime", "ai_edge_litert", "tflite_runtime", "MNN", "ncnn", "openvino")

LIVE = ("starlette", "uvicorn", "segno")
"""Packages of the page of `edge live`; they are looked for, and not loaded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: What it is about, a word or two.
        text: What was found.
        state: ok; note: worth knowing; problem: something will not work or is not safe.
        mend: What to do about a problem; empty otherwise.
    """

    topic: str
    text: str
    state: State = "ok"
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Findings that belong together."""

    title: str
    findings: tuple[Finding, ...]


def examine() -> tuple[Section, ...]:
    """Look at everything and return what was found, never raising for what is broken."""
    probes = probe_packages()
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "machine": lambda: look_at_machine(this_machine()),
        "packages": lambda: look_at_packages(probes),
        "engines": lambda: look_at_engines(probes, installed_distributions()),
        "privacy": lambda: look_at_privacy(os.environ.get("ORT_DISABLE_TELEMETRY")),
        "folders": look_at_folders,
        "models": look_at_models,
        "label": look_at_label,
        "isolation": look_at_isolation,
        "safety": look_at_safety,
    }
    return tuple(Section(title, tuple(_guarded(title, look))) for title, look in looks.items())


def problems(sections: tuple[Section, ...]) -> list[Finding]:
    """Return the findings that keep edge-swap from working, or from being safe."""
    return [f for section in sections for f in section.findings if f.state == "problem"]


def _guarded(title: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; what stops it becomes the last finding."""
    try:
        yield from look()
    except EdgeError as error:
        yield Finding(title, str(error), "problem", "see the message")
    except (ImportError, OSError) as error:
        text = f"could not be looked at: {type(error).__name__}: {error}"
        yield Finding(title, text, "problem", "pip install --force-reinstall edge-swap")


def look_at_machine(machine: Machine) -> Iterator[Finding]:
    """Yield processor, memory and system; nothing here is ever a problem."""
    board = f" ({machine.board})" if machine.board else ""
    yield Finding("processor", f"{machine.processor}, {machine.cores} cores{board}")
    features = " ".join(machine.features) or "none that matter here"
    yield Finding("features", f"{machine.architecture}: {features}")
    if machine.memory is not None:
        yield Finding("memory", f"{machine.memory / 2**30:.1f} GiB")
    if machine.governor:
        yield Finding("clock", f"governor {machine.governor}")
    yield Finding("system", f"{machine.system}, kernel {machine.kernel}")


def look_at_packages(probes: dict[str, Probe]) -> Iterator[Finding]:
    """Yield the versions of everything that is not an engine."""
    yield Finding("edge-swap", edge.__version__)
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    for module, package in (("numpy", "numpy"), ("cv2", "opencv-python-headless")):
        yield _needed(probes[module], package)
    c2pa = probes["c2pa"]
    yield _needed(c2pa, "c2pa-python")
    yield _needed(probes["cryptography"], "cryptography")
    video = probes["av"]
    if video.missing:
        yield Finding("av", "not installed: no video", "note", "pip install 'edge-swap[video]'")
    elif not video.works:
        yield Finding("av", video.trouble, "problem", "pip install --force-reinstall av")
    else:
        yield Finding("av", f"{video.version}, H.264 encoder: {video.details or 'none'}")
    lacking = [name for name in LIVE if find_spec(name) is None]
    if lacking:
        what = f"not installed ({', '.join(lacking)}): no page for edge live"
        yield Finding("live", what, "note", "pip install 'edge-swap[live]'")
    else:
        yield Finding("live", "the page of edge live can be served")


def _needed(probe: Probe, package: str) -> Finding:
    if probe.missing:
        return Finding(probe.module, "not installed", "problem", f"pip install {package}")
    if probe.works:
        more = f" ({probe.details})" if probe.details else ""
        return Finding(probe.module, f"{probe.version}{more}")
    mend = f"pip install --force-reinstall {package}"
    return Finding(probe.module, probe.trouble, "problem", mend)


def look_at_engines(probes: dict[str, Probe], distributions: frozenset[str]) -> Iterator[Finding]:
    """Yield every engine, whether one can be used, and whether two get in each other's way."""
    usable = 0
    for module in ENGINES:
        probe = probes[module]
        if probe.missing:
            yield Finding(module, "not installed", "note")
        elif not probe.works:
            mend = f"pip install --force-reinstall {module.replace('_', '-')}"
            yield Finding(module, probe.trouble, "problem", mend)
        elif module == "tflite_runtime" and not probes["numpy"].version.startswith("1."):
            text = f"{probe.version}, but it works only with numpy < 2"
            yield Finding(module, text, "problem", "pip install 'edge-swap[litert]' instead")
        else:
            usable += 1
            more = f": {probe.details}" if probe.details else ""
            yield Finding(module, f"{probe.version}{more}")
    if not usable:
        text = "no engine can be used"
        yield Finding("engines", text, "problem", "pip install 'edge-swap[cpu]'")
    runtimes = sorted(name for name in distributions if name.startswith("onnxruntime"))
    if len(runtimes) > 1:
        text = f"{' and '.join(runtimes)} are both installed: the CPU one hides the other"
        mend = f"pip uninstall {' '.join(runtimes)}, then install the one you want"
        yield Finding("engines", text, "problem", mend)


def installed_distributions() -> frozenset[str]:
    """Return the names of the installed distributions, in lower case with dashes."""
    names = (found.metadata["Name"] for found in metadata.distributions())
    return frozenset(name.lower().replace("_", "-") for name in names if name)


def look_at_privacy(switch: str | None) -> Iterator[Finding]:
    """Yield whether ONNX Runtime may send telemetry.

    Args:
        switch: Value of ORT_DISABLE_TELEMETRY, None when unset.
    """
    if switch == "1":
        yield Finding("telemetry", "off (ORT_DISABLE_TELEMETRY=1)")
    else:
        text = f"ORT_DISABLE_TELEMETRY is {switch!r}: ONNX Runtime may send data"
        yield Finding("telemetry", text, "problem", "export ORT_DISABLE_TELEMETRY=1")


def look_at_folders() -> Iterator[Finding]:
    """Yield the user's folders, and every file in them that others may read or change.

    They are called what the pages of the documentation call them.
    """
    folders = {
        "keys": resources.config_dir() / "keys",
        "configuration folder": resources.config_dir(),
        "state folder": resources.state_dir(),
        "data folder": resources.data_dir(),
        "cache folder": resources.cache_dir(),
    }
    for topic, folder in folders.items():
        if not folder.is_dir():
            yield Finding(topic, f"{folder}: not made yet")
            continue
        loose = list(_loose(folder, private=topic == "keys"))
        yield from loose
        if not loose:
            yield Finding(topic, f"{folder}: permissions are right")


def _loose(folder: Path, *, private: bool) -> Iterator[Finding]:
    """Yield what others may read (in a private folder, or an identity) or change (anywhere)."""
    for path in (folder, *sorted(folder.rglob("*"))):
        if path.is_symlink():
            continue
        state = path.stat()
        secret = private or path.suffix == ".identity" or path.parent.name == "consents"
        forbidden = stat.S_IRWXG | stat.S_IRWXO if secret else stat.S_IWGRP | stat.S_IWOTH
        if state.st_uid not in {os.geteuid(), 0}:
            text = f"{path}: belongs to somebody else"
            yield Finding("rights", text, "problem", f"chown {os.geteuid()} '{path}'")
        elif state.st_mode & forbidden:
            verb = "read" if secret else "changed"
            text = f"{path}: may be {verb} by others"
            mend = f"chmod {'go-rwx' if secret else 'go-w'} '{path}'"
            yield Finding("rights", text, "problem", mend)


def look_at_isolation() -> Iterator[Finding]:
    """Yield what holds a child that looks at untrusted files, and this device's limits."""
    from edge.isolation.confine import Confined
    from edge.isolation.run import Ended, Request, ask
    from edge.isolation.wire import unpacked
    from edge.limits import device_limits, limits_path

    try:
        confined = unpacked(Confined, ask(Request("confined"))[0])
    except Ended as ended:
        text = f"an isolated process {ended}"
        yield Finding("isolation", text, "problem", "edge verify --no-isolate works without it")
        return
    missing = [
        name
        for name, on in (("Landlock", confined.landlock), ("seccomp", confined.seccomp))
        if not on
    ]
    if missing:
        text = f"{confined.text}; this kernel gives no {' and no '.join(missing)}"
        yield Finding("isolation", text, "note", "a newer kernel, or one with both switched on")
    else:
        yield Finding("isolation", confined.text)
    try:
        limits = device_limits()
    except EdgeError as error:
        yield Finding("limits", str(error), "problem", f"mend or remove {limits_path()}")
        return
    where = f"from {limits_path()}" if limits_path().exists() else "the defaults"
    yield Finding(
        "limits",
        f"{where}: pictures of {limits.picture.max_pixels / 1e6:g} megapixels, videos of "
        f"{limits.video.max_seconds / 3600:g} h, models of {limits.model.max_bytes >> 20} MiB; an "
        f"isolated process has {limits.child.memory >> 20} MiB",
    )


def look_at_models() -> Iterator[Finding]:
    """Yield every card whose file is here or should be, and how many others are known."""
    from edge.cards import all_cards, broken_cards
    from edge.registry import find_file, locate

    cards = all_cards()
    for name in sorted(set(REFERENCE_MODELS) - set(cards)):
        mend = "pip install --force-reinstall edge-swap"
        yield Finding(name, "its card is missing", "problem", mend)
    for bad in broken_cards():
        yield Finding(bad.name, f"left out: {bad.reason}", "problem", f"mend or remove {bad.path}")
    shipped = resources.weights_dir()
    absent = 0
    for name, card in sorted(cards.items()):
        if find_file(card) is None and name not in REFERENCE_MODELS:
            absent += 1
            continue
        try:
            path = locate(card)
        except EdgeError as error:
            yield Finding(name, str(error), "problem", f"edge models show {name}")
            continue
        place = "shipped" if path.parent == shipped else str(path)
        yield Finding(name, f"{card.kind}, {card.size_text}, {place}")
    if absent:
        text = f"{absent} models that are known and not shipped are not here"
        yield Finding("others", text, "note", "edge models list names them")


_DAYS_BEFORE = 30
"""Days before a certificate's end from which it is worth knowing."""


def _look_at_certificate() -> Iterator[Finding]:
    """Yield until when this device can sign, if it has a key already."""
    import datetime

    from edge.provenance.keys import device_keys, keys_dir

    if not (keys_dir() / "claim.pem").exists():
        return
    try:
        end = device_keys().leaf.not_valid_after_utc
    except EdgeError as error:
        yield Finding("certificate", str(error), "problem", "edge keys show")
        return
    days = (end - datetime.datetime.now(datetime.timezone.utc)).days
    mend = "edge keys import --key KEY --chain CHAIN, or edge keys rotate"
    if days < 0:
        yield Finding("certificate", f"ended on {end:%Y-%m-%d}: nothing is signed", "problem", mend)
    elif days < _DAYS_BEFORE:
        yield Finding("certificate", f"ends on {end:%Y-%m-%d}: renew it ({mend})", "note")
    else:
        yield Finding("certificate", f"signs until {end:%Y-%m-%d}")


def _look_at_time_stamps() -> Iterator[Finding]:
    """Yield which authority is asked, and how many outputs wait for it."""
    from edge.consent.ledger import Ledger
    from edge.provenance.stamping import load_authority
    from edge.stamping import queue

    try:
        authority = load_authority()
        waiting = len(queue(Ledger()))
    except EdgeError as error:
        yield Finding("time stamps", str(error), "problem", "mend or remove that file")
        return
    if authority is None:
        yield Finding("time stamps", "no authority is configured, and none is asked")
    elif waiting:
        text = f"{waiting} outputs wait for {authority.url}: edge ledger stamp"
        yield Finding("time stamps", text, "note")
    else:
        yield Finding("time stamps", f"by {authority.url}; nothing waits")


def look_at_safety() -> Iterator[Finding]:
    """Yield the state of the content gate, of the signing certificate and of the ledger."""
    yield from _look_at_gates()
    yield from _look_at_certificate()
    yield from _look_at_time_stamps()
    from edge.consent.ledger import Ledger, default_ledger_path

    path = default_ledger_path()
    if not path.is_file():
        yield Finding("ledger", "empty: nothing was made on this device yet")
        return
    try:
        broken = Ledger(path).verify()
    except EdgeError as error:
        yield Finding("ledger", str(error), "problem", "edge ledger verify")
        return
    if broken:
        text = f"{path}: {len(broken)} faults, the first: {broken[0].what}"
        yield Finding("ledger", text, "problem", "edge ledger verify")
    else:
        yield Finding("ledger", f"{path}: chain is whole")


NO_GATE = "no production gate is shipped"
"""Said whatever is installed: a gate is its operator's choice, and its operator's to judge."""


def _look_at_gates() -> Iterator[Finding]:
    from edge.consent.policy import load_policy
    from edge.gate import installed_gates, open_gates

    names = installed_gates()
    required = load_policy().require_gate
    if not names:
        text = f"none: {NO_GATE}, and intimate pictures are not recognised"
        mend = "docs/add-a-gate.md"
        if required:
            text = f"none, but the policy requires one, so nothing is swapped ({NO_GATE})"
        yield Finding("content gate", text, "problem" if required else "note", mend)
        return
    try:
        gates = open_gates(threads=1)
    except EdgeError as error:
        mend = f"edge models add FILE, or edge models remove {names[0]}"
        yield Finding("content gate", str(error), "problem", mend)
        return
    used = ", ".join(f"{use.name} on {use.provider}" for use in gates.uses)
    rule = "required by the policy" if required else "on, for it is installed"
    yield Finding("content gate", f"{used}: {rule} ({NO_GATE})")


def look_at_label() -> Iterator[Finding]:
    """Yield whether the visible label can be drawn in all its languages."""
    from edge.provenance.glyphs import TEXTS
    from edge.provenance.label import plan_label

    try:
        for language in sorted(TEXTS):
            plan_label(640, 480, (), language)
    except (EdgeError, OSError, ValueError, KeyError) as error:
        mend = "pip install --force-reinstall edge-swap"
        yield Finding("label", f"its outlines cannot be drawn: {error}", "problem", mend)
    else:
        yield Finding(
            "label", "its outlines are there: " + ", ".join(TEXTS[k] for k in sorted(TEXTS))
        )
    yield _look_at_producer()


def _look_at_producer() -> Finding:
    from edge.provenance.producer import configured_producer, is_organisation_code, producer_file

    try:
        named = configured_producer()
    except EdgeError as error:
        return Finding("implicit label", str(error), "problem", f"correct {producer_file()}")
    if named is None:
        text = "its producer is a pseudonym of this device; GB 45438-2025 asks for your code"
        return Finding("implicit label", text, "note", f"name it in {producer_file()}")
    kind = "an organisation's code" if is_organisation_code(named) else "a name of your own"
    return Finding("implicit label", f"its producer is {named}, {kind}")
