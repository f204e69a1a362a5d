"""The doctor's eye: each ailment is seen, named and given a mend."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge import doctor, resources
from edge.doctor import Finding
from edge.errors import LedgerError
from edge.machine import Machine
from edge.probe import Probe
from edge.provenance import certificates, keys
from tests import gates

MODULES = ("numpy", "cv2", "c2pa", "cryptography", "av", *doctor.ENGINES)


def _probes(**changes: Probe) -> dict[str, Probe]:
    healthy = {name: Probe(name, version="2.0") for name in MODULES}
    healthy["tflite_runtime"] = Probe("tflite_runtime", missing=True)
    return {**healthy, **changes}


def _problems(findings: Iterable[Finding]) -> list[Finding]:
    found = [f for f in findings if f.state == "problem"]
    assert all(f.mend for f in found), "a problem without a mend"
    return found


def test_healthy_packages() -> None:
    assert not _problems(doctor.look_at_packages(_probes()))
    assert not _problems(doctor.look_at_engines(_probes(), frozenset({"onnxruntime"})))


@pytest.mark.parametrize("module", ["numpy", "cv2", "c2pa", "cryptography", "av"])
def test_a_broken_package(module: str) -> None:
    probes = _probes(**{module: Probe(module, trouble="import ends the process: Aborted")})
    (found,) = _problems(doctor.look_at_packages(probes))
    assert found.topic == module
    assert "Aborted" in found.text


@pytest.mark.parametrize("module", ["numpy", "cv2", "c2pa", "cryptography"])
def test_a_missing_package(module: str) -> None:
    (found,) = _problems(doctor.look_at_packages(_probes(**{module: Probe(module, missing=True)})))
    assert found.text == "not installed"


def test_video_is_optional() -> None:
    findings = list(doctor.look_at_packages(_probes(av=Probe("av", missing=True))))
    assert not _problems(findings)
    assert any("edge-swap[video]" in f.mend for f in findings)


def test_the_page_of_live_streams_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "segno" else object())
    findings = list(doctor.look_at_packages(_probes()))
    assert not _problems(findings)
    (found,) = [finding for finding in findings if finding.topic == "live"]
    assert "segno" in found.text
    assert "edge-swap[live]" in found.mend


def test_no_engine() -> None:
    probes = _probes(**{name: Probe(name, missing=True) for name in doctor.ENGINES})
    (found,) = _problems(doctor.look_at_engines(probes, frozenset()))
    assert "edge-swap[cpu]" in found.mend


def test_two_onnxruntimes() -> None:
    names = frozenset({"onnxruntime", "onnxruntime-gpu", "numpy"})
    (found,) = _problems(doctor.look_at_engines(_probes(), names))
    assert "onnxruntime and onnxruntime-gpu are both installed" in found.text


def test_tflite_runtime_needs_the_old_numpy() -> None:
    tflite = Probe("tflite_runtime", version="2.14.0")
    (found,) = _problems(
        doctor.look_at_engines(_probes(tflite_runtime=tflite), frozenset({"onnxruntime"}))
    )
    assert "numpy < 2" in found.text
    old = _probes(tflite_runtime=tflite, numpy=Probe("numpy", version="1.26.4"))
    assert not _problems(doctor.look_at_engines(old, frozenset({"onnxruntime"})))


def test_installed_distributions_are_seen() -> None:
    assert {"numpy", "c2pa-python"} <= doctor.installed_distributions()


@pytest.mark.parametrize(("switch", "well"), [("1", True), ("0", False), (None, False)])
def test_telemetry(switch: str | None, well: bool) -> None:
    assert bool(_problems(doctor.look_at_privacy(switch))) != well


def test_nothing_made_yet() -> None:
    findings = list(doctor.look_at_folders())
    assert not _problems(findings)
    assert all("not made yet" in f.text for f in findings)


def test_folders_are_called_what_the_pages_call_them(edge_home: Path) -> None:
    found = {f.topic: f.text for f in doctor.look_at_folders()}
    assert {topic: text.split(":")[0] for topic, text in found.items()} == {
        "keys": str(edge_home / "config" / "keys"),
        "configuration folder": str(edge_home / "config"),
        "state folder": str(edge_home / "state"),
        "data folder": str(edge_home / "data"),
        "cache folder": str(edge_home / "cache"),
    }


@pytest.mark.parametrize(
    ("name", "mode", "mend"),
    [
        ("config/keys/device.pem", 0o640, "go-rwx"),
        ("config/keys/device.pem", 0o600, ""),
        ("config/policy.toml", 0o644, ""),
        ("config/policy.toml", 0o664, "go-w"),
        ("state/ledger.jsonl", 0o666, "go-w"),
        ("data/alice.identity", 0o644, "go-rwx"),
        ("data/alice.identity", 0o600, ""),
    ],
)
def test_rights(edge_home: Path, name: str, mode: int, mend: str) -> None:
    path = edge_home / name
    path.parent.mkdir(parents=True, mode=0o700)
    for folder in (path.parent, path.parent.parent):
        folder.chmod(0o700)
    path.touch()
    path.chmod(mode)
    found = _problems(doctor.look_at_folders())
    # The keys lie inside the settings, so that both looks may name one file.
    assert bool(found) == bool(mend)
    assert all(mend in f.mend and str(path) in f.mend for f in found)


def test_an_open_key_folder(edge_home: Path) -> None:
    folder = edge_home / "config" / "keys"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert any("go-rwx" in f.mend for f in _problems(doctor.look_at_folders()))


def test_links_are_not_followed(edge_home: Path) -> None:
    folder = edge_home / "data"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    os.symlink("/nowhere/to/be/found", folder / "model.onnx")
    assert not _problems(doctor.look_at_folders())


def test_the_shipped_models_are_well() -> None:
    findings = {f.topic: f for f in doctor.look_at_models()}
    assert all(findings[name].state == "ok" for name in doctor.REFERENCE_MODELS)


def test_models_that_are_not_here_are_one_line(edge_home: Path) -> None:
    rest = [f for f in doctor.look_at_models() if f.state == "note"]
    assert [f.topic for f in rest] == ["others"]


def test_a_broken_card_is_named_with_its_place(edge_home: Path) -> None:
    path = edge_home / "data/cards/odd.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("kind = 3", encoding="utf-8")
    (bad,) = _problems(doctor.look_at_models())
    assert bad.topic == "odd"
    assert bad.mend == f"mend or remove {path}"


def test_a_missing_reference_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGE_MODELS_DIR", raising=False)
    monkeypatch.setattr(resources, "weights_dir", lambda: tmp_path)
    assert any(f.topic == "ref_swapper" for f in _problems(doctor.look_at_models()))


def test_a_missing_reference_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "cards_dir", lambda: tmp_path)
    missing = {f.topic for f in _problems(doctor.look_at_models())}
    assert missing == set(doctor.REFERENCE_MODELS)


def test_the_label_can_be_drawn() -> None:
    found = next(f for f in doctor.look_at_label() if f.topic == "label")
    assert found.state == "ok"
    assert "AI合成" in found.text


def test_no_content_gate_is_said_plainly() -> None:
    gate = next(f for f in doctor.look_at_safety() if f.topic == "content gate")
    assert "no production gate is shipped" in gate.text
    assert gate.state == "note"


def test_a_gate_that_is_installed(edge_home: Path) -> None:
    path = gates.install(edge_home)
    (gate,) = doctor._look_at_gates()
    assert gate.state == "ok"
    assert "blue_gate on CPUExecutionProvider: on, for it is installed" in gate.text
    assert "no production gate is shipped" in gate.text
    path.write_bytes(b"broken")
    (found,) = _problems(doctor._look_at_gates())
    assert "nothing passes" in found.text


def test_a_gate_that_is_required_and_missing(edge_home: Path) -> None:
    gates.policy(edge_home)
    (found,) = _problems(doctor._look_at_gates())
    assert "nothing is swapped" in found.text


def test_a_damaged_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.consent import ledger

    path = ledger.default_ledger_path()
    path.parent.mkdir(parents=True)
    path.write_text("this is no ledger\n", encoding="utf-8")
    path.chmod(0o600)
    assert any(f.topic == "ledger" for f in _problems(doctor.look_at_safety()))


@pytest.mark.parametrize(("days", "state"), [(-1, "problem"), (12, "note"), (400, "ok")])
def test_the_signing_certificate(monkeypatch: pytest.MonkeyPatch, days: int, state: str) -> None:
    lifetime = datetime.timedelta(days=days + 2, hours=1)  # it begins two days ago
    monkeypatch.setattr(certificates, "VALIDITY", lifetime)
    assert "certificate" not in [f.topic for f in doctor.look_at_safety()]  # no key yet
    keys.device_keys()
    (finding,) = [f for f in doctor.look_at_safety() if f.topic == "certificate"]
    assert finding.state == state


def test_time_stamps(edge_home: Path) -> None:
    def found() -> tuple[str, str]:
        (finding,) = [f for f in doctor.look_at_safety() if f.topic == "time stamps"]
        return finding.state, finding.text

    assert found() == ("ok", "no authority is configured, and none is asked")
    path = edge_home / "config" / "timestamp.toml"
    path.parent.mkdir(parents=True)
    path.write_text('url = "http://time.example/"')
    assert "nothing waits" in found()[1]
    path.write_text("url = 3")
    assert found()[0] == "problem"


def test_a_look_that_fails_is_a_finding() -> None:
    def broken() -> Iterable[Finding]:
        yield Finding("first", "seen")
        raise LedgerError("cannot be read")

    findings = list(doctor._guarded("safety", lambda: iter(broken())))
    assert [f.topic for f in findings] == ["first", "safety"]
    assert len(_problems(findings)) == 1


def test_a_machine_without_board_or_governor() -> None:
    machine = Machine("", "Cortex-A72", "aarch64", 4, (), None, "", "Debian", "6.12")
    topics = [f.topic for f in doctor.look_at_machine(machine)]
    assert topics == ["processor", "features", "system"]


@pytest.mark.parametrize(
    ("value", "state", "words"),
    [
        ("", "note", "a pseudonym"),
        ("studio-7", "ok", "a name of your own"),
        ("001191350100M000100Y43", "ok", "an organisation's code"),
        ("001191350100M000100Y44", "problem", "unified social credit code"),
    ],
)
def test_producer_of_the_implicit_label(
    value: str, state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_CONTENT_PRODUCER", value)
    (found,) = (f for f in doctor.look_at_label() if f.topic == "implicit label")
    assert found.state == state
    assert words in found.text
