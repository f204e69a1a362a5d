"""The kits of boards: whole, with command lines that parse, confined, and doing one round here."""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.cli import _load
from edge.consent.canonical import readable_json
from edge.consent.operator import operator_key, operator_key_path
from edge.consent.revocation import load_revocation, new_revocation, save_revocation
from edge.consent.signing import public_hex, sign_record
from edge.consent.trust import load_trust
from edge.provenance.keys import device_keys
from edge.provenance.verify import verify_file
from tests.bundles import Made, bundle
from tests.scene import target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
BOARDS = ("jetson", "raspberry_pi")
SHARED = (
    "edge-swap-run",
    "edge-swap-live",
    "edge-swap-home",
    "edge-swap-admin",
    "edge-swap.timer",
    "selftest",
)
UNITS = ("edge-swap.service", "edge-swap-live.service")
FILES = {
    "jetson": {
        *SHARED,
        "Dockerfile",
        "Dockerfile.dockerignore",
        "capture.py",
        "check-gpu.py",
        *UNITS,
        "install.sh",
    },
    "raspberry_pi": {*SHARED, *UNITS, "capture.py", "install.sh"},
}
WORST = {  # exposure by systemd 252, of 10
    "edge-swap.service": {"jetson": 1.0, "raspberry_pi": 0.5},
    "edge-swap-live.service": {"jetson": 1.7, "raspberry_pi": 1.5},
}


def kit(board: str) -> Path:
    return ROOT / "targets" / board / "kit"


def scripts(board: str) -> list[Path]:
    return [
        kit(board) / name
        for name in ("install.sh", "edge-swap-run", "edge-swap-live", "edge-swap-admin", "selftest")
    ]


@pytest.mark.parametrize("board", BOARDS)
def test_a_kit_is_whole(board: str) -> None:
    there = {path.name for path in kit(board).iterdir() if not path.name.startswith("__")}
    assert there == FILES[board]
    page = (kit(board).parent / "README.md").read_text(encoding="utf-8")
    for name in there:
        assert f"`{name}`" in page
    for path in (*scripts(board), *kit(board).glob("*.py")):
        assert os.access(path, os.X_OK), path
    assert "Nothing here has run on a real" in page


@pytest.mark.parametrize("name", SHARED)
def test_what_the_kits_share_is_the_same(name: str) -> None:
    assert (kit("jetson") / name).read_bytes() == (kit("raspberry_pi") / name).read_bytes()


def _texts(board: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of commands of a kit: its README's blocks, its scripts, its units."""
    page = (kit(board).parent / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```\n(.*?)```", page, re.DOTALL):
        yield from (("README.md", line) for line in block.splitlines())
    yield from (("README.md", text) for text in re.findall(r"`([^`\n]*\bedge [^`\n]*)`", page))
    for path in (*scripts(board), *(kit(board) / unit for unit in UNITS)):
        joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in joined.splitlines():
            yield path.name, line.removeprefix("ExecStart=")


_EDGE = {"edge", "$edge", "$venv/bin/edge", "/opt/edge-swap/venv/bin/edge"}
_STANDS_FOR = {
    "$EDGE_PURPOSE": "film",
    "$EDGE_TARGET_IS": "covered-by-consent",
    "$EDGE_SIZE": "640x360",
    "$@": "",
}


def _calls(board: str) -> Iterator[tuple[str, list[str]]]:
    for where, line in _texts(board):
        if line.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # a part of a longer piece of shell
        for place, word in enumerate(words):
            if word in _EDGE and words[place + 1 : place + 2] not in ([], ["-c"]):
                rest = [_STANDS_FOR.get(each, each) for each in words[place + 1 :]]
                ends = [n for n, each in enumerate(rest) if each in ("||", "&&", "|", ">")]
                yield (
                    where,
                    [each.rstrip(";") for each in rest[: ends[0] if ends else None] if each],
                )


@pytest.mark.parametrize("board", BOARDS)
def test_every_call_of_edge_parses(board: str) -> None:
    seen = set()
    for where, call in _calls(board):
        if not re.fullmatch("[a-z]+", call[0]):
            assert call == ["--version"] or "=" in call[0] or call[0] in ("]",), (where, call)
            continue
        command = _load(call[0])
        assert command is not None, (where, call)
        parser = argparse.ArgumentParser(exit_on_error=False)
        command.configure(parser)
        if call[1:] or call[0] in ("doctor", "bench"):
            try:
                parser.parse_args(call[1:])
            except SystemExit:
                pytest.fail(f"{where}: edge {' '.join(call)} does not parse")
        seen.add(call[0])
    assert seen >= {"run", "live", "build", "bundle", "inspect", "keys", "selftest", "ledger"}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", UNITS)
def test_what_a_unit_starts_is_what_is_installed(board: str, name: str) -> None:
    unit = (kit(board) / name).read_text(encoding="utf-8")
    install = (kit(board) / "install.sh").read_text(encoding="utf-8")
    for line in re.findall(r"^ExecStart=(\S+)", unit, re.MULTILINE):
        assert line.startswith("/opt/edge-swap/bin/")
        assert f'"$here/{Path(line).name}"' in install
    for words in (
        "DynamicUser=yes",
        "LoadCredential=claim.pem:",
        "MemoryMax=",
        "ORT_DISABLE_TELEMETRY=1",
        "PrivateNetwork=yes" if name == "edge-swap.service" else "IPAddressAllow=localhost\n",
        "IPAddressDeny=any",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
    ):
        assert words in unit


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("name", UNITS)
def test_how_well_a_service_is_confined(board: str, name: str) -> None:
    unit = kit(board) / name
    call = ["systemd-analyze", "security", "--no-pager", "--offline=yes", str(unit)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze rates no unit offline")
    score = re.search(r"exposure level for \S+ ([0-9.]+)", done.stdout)
    assert score is not None, done.stderr
    assert float(score[1]) <= WORST[name][board]
    page = (kit(board).parent / "README.md").read_text(encoding="utf-8")
    assert f"**{WORST[name][board]}**" in page


@pytest.mark.parametrize("board", BOARDS)
def test_the_scripts_are_sound(board: str) -> None:
    for path in scripts(board):
        shell = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
        assert subprocess.run([shell, "-n", path], check=False).returncode == 0
    if shutil.which("shellcheck"):
        call = ["shellcheck", *map(str, scripts(board)), str(kit(board) / "edge-swap-home")]
        done = subprocess.run(call, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with what follows it, lines joined."""
    text = (kit("jetson") / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def allowed(path: str, patterns: list[str]) -> bool:
    """Return whether a path gets into the image by an ignore file whose last match counts."""
    inside = True
    for pattern in patterns:
        bare = pattern.removeprefix("!").removeprefix("**/")
        parts = [path, *map(str, Path(path).parents)]
        if any(fnmatch(part, bare) for part in parts) or bare in Path(path).parts:
            inside = pattern.startswith("!")
    return inside


def test_the_image_has_what_the_wheel_is_built_from_and_no_more() -> None:
    text = (kit("jetson") / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    wanted += [project["project"]["readme"], "pyproject.toml", "LICENSE"]
    wanted += project["project"]["license-files"]
    for name in wanted:
        assert (ROOT / name).exists()
        assert allowed(name, patterns), name
    assert allowed("onnxruntime_gpu-1.23.0-cp310-cp310-linux_aarch64.whl", patterns)
    for name in (".git/config", ".venv/bin/python", "tests/test_layering.py", "alice.identity"):
        assert not allowed(name, patterns), name
    assert not allowed("edge/__pycache__/swap.pyc", patterns)


def test_the_dockerfile_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    steps = instructions()
    kinds = [kind for kind, _ in steps]
    assert set(kinds) <= {"ARG", "FROM", "RUN", "COPY", "USER", "ENV", "ENTRYPOINT", "CMD"}
    assert kinds[:2] == ["ARG", "FROM"]
    # It ends as nobody's root, and starts the command line without a shell between.
    assert [rest for kind, rest in steps if kind == "USER"][-1] == "edge"
    assert kinds[-2:] == ["ENTRYPOINT", "CMD"]
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["edge"]
    runs = [rest for kind, rest in steps if kind == "RUN"]
    script = tmp_path / "run.sh"
    script.write_text("\n".join(["#!/bin/sh", 'ORT_WHEEL="$1"', *runs]) + "\n", encoding="utf-8")
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", script], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()
    # What is copied out of the checkout is in it.
    named = re.findall(r"/opt/source/([\w./-]+)", " ".join(runs))
    assert named
    assert all((ROOT / name).is_file() for name in named)
    extras = re.search(r"/opt/source\[([a-z,]+)\]", " ".join(runs))
    assert extras is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras[1].split(",")) <= set(project["project"]["optional-dependencies"])
    # A wheel that is not named, or not there, ends the build: else the processor would do it all.
    for wheel in ("", "missing.whl"):
        first = runs[1].partition("&&")[0]
        call = ["sh", "-c", first]
        done = subprocess.run(
            call, env={"ORT_WHEEL": wheel, "PATH": os.environ["PATH"]}, capture_output=True
        )
        assert done.returncode != 0


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.skipif(os.uname().machine == "aarch64", reason="on a board it would install")
def test_nothing_is_installed_elsewhere(board: str) -> None:
    call = [str(kit(board) / "install.sh"), "keep"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"install\.sh: this is \S+: a .* is needed\n", done.stderr)


@pytest.mark.parametrize(
    ("board", "words", "installed", "whole"),
    [
        ("raspberry_pi", ["main"], ["main[cpu,litert,video,live]"], True),
        ("raspberry_pi", ["main"], ["main[cpu,litert,video,live]"], False),
        ("jetson", ["wheel", "main"], ["main[video,live]", "wheel"], True),
        ("jetson", ["keep", "main"], ["main[video,live]"], False),
    ],
)
def test_what_lies_here_is_installed_and_no_package_of_its_name(
    tmp_path: Path, board: str, words: list[str], installed: list[str], whole: bool
) -> None:
    # The script as it is up to the first thing that it makes outside its own folder, with stand-ins
    # for what asks or changes the system, and for the environment's Python.
    home, tools, here = tmp_path / "home", tmp_path / "tools", tmp_path / "here"
    for folder in (home / "venv" / "bin", tools, here / "main"):
        folder.mkdir(parents=True)
    for name in ("wheel", "keep", "release"):
        (here / name).write_text("", encoding="utf-8")
    log, made, has_pip = tmp_path / "log", tmp_path / "made", tmp_path / "pip"
    if whole:
        has_pip.touch()
    python = f"#!/bin/sh\n[ \"$*\" != '-m pip --version' ] || exec test -e '{has_pip}'\n"
    python += f'for word in "$@"; do printf "%s\\n" "$word" >> "{log}"; done\n'
    stands = {
        tools / "uname": "#!/bin/sh\necho aarch64\n",
        tools / "id": "#!/bin/sh\necho 0\n",
        tools / "apt-get": "#!/bin/sh\n",
        tools / "python3": f"#!/bin/sh\necho \"$*\" >> '{made}'\n: > '{has_pip}'\n",
        home / "venv" / "bin" / "python": python,
        home / "venv" / "bin" / "edge": "#!/bin/sh\n",
    }
    for path, content in stands.items():
        path.write_text(content, encoding="utf-8")
        path.chmod(0o755)
    text = (kit(board) / "install.sh").read_text(encoding="utf-8")
    begun, cut, _ = text.partition('echo "== group')
    assert cut
    script = tmp_path / "install.sh"
    begun = begun.replace("home=/opt/edge-swap\n", f"home='{home}'\n")
    script.write_text(begun.replace("/etc/nv_tegra_release", str(here / "release")), "utf-8")
    assert "/opt/edge-swap" not in begun
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    call = ["bash", str(script), *words]
    done = subprocess.run(call, cwd=here, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    said = log.read_text(encoding="utf-8").splitlines()
    assert [word for word in said if word.endswith(tuple(installed))] == [
        str(here.resolve() / each) for each in installed
    ]
    assert str(here / "keep") not in said
    # An environment that is not whole, as after an interruption, is made whole; another is let be.
    anew = f"-m venv --system-site-packages {home / 'venv'}\n"
    assert (made.read_text(encoding="utf-8") if made.exists() else "") == ("" if whole else anew)


class Service:
    """The service's folders and environment, as systemd would make them."""

    def __init__(self, made: Made, folder: Path, **changed: str) -> None:
        self.folder, self.state = folder / "srv", folder / "state"
        for name in ("in", "batches", "out", "failed"):
            (self.folder / name).mkdir(parents=True)
        self.tools = folder / "tools"
        self.tools.mkdir()
        credentials, config = folder / "credentials", folder / "public"
        for path in (self.state, credentials, config):
            path.mkdir()
        operator_key()
        shutil.copy(device_keys().path, credentials / "claim.pem")
        shutil.copy(operator_key_path(), credentials / "operator.pem")
        anchors = device_keys().path.parent / "anchors"
        shutil.copytree(anchors, config / "keys" / "anchors")
        for path in credentials.iterdir():
            path.chmod(0o400)
        self.config = config
        self.environment = {
            **os.environ,
            "EDGE_COMMAND": str(Path(sys.executable).parent / "edge"),
            "EDGE_HOME": str(folder / "run"),
            "EDGE_CONFIG": str(config),
            "EDGE_BUNDLE": str(made.folder),
            "EDGE_FOLDER": str(self.folder),
            "EDGE_PURPOSE": "film",
            "EDGE_TARGET_IS": "synthetic",
            "STATE_DIRECTORY": str(self.state),
            "CREDENTIALS_DIRECTORY": str(credentials),
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            **changed,
        }

    def put(self, name: str, face: bool = True) -> None:
        path = self.folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), target() if face else target(cells=()))

    def round(self) -> subprocess.CompletedProcess[str]:
        call = [str(kit("raspberry_pi") / "edge-swap-run")]
        shutil.rmtree(self.environment["EDGE_HOME"], ignore_errors=True)  # as systemd does
        done = subprocess.run(
            call, env=self.environment, capture_output=True, text=True, check=False
        )
        assert list((self.folder / "batches").iterdir()) == []
        return done

    def found(self, kind: str) -> list[str]:
        return sorted(path.name for path in (self.folder / kind).rglob("*.*") if path.is_file())


@pytest.fixture
def service(edge_home: Path, tmp_path: Path) -> Service:
    return Service(bundle(edge_home, tmp_path), tmp_path / "service")


def test_a_round_swaps_labels_signs_and_clears_away(service: Service) -> None:
    assert service.round().returncode == 0  # nothing there: nothing done
    assert not Path(service.environment["EDGE_HOME"]).exists()
    service.put("one.png")
    service.put("two words.png")
    service.put(".half-written.png")
    done = service.round()
    assert done.returncode == 0, done.stderr
    assert service.found("out") == ["one.png", "two words.png"]
    assert service.found("failed") == []
    assert service.found("in") == [".half-written.png"]
    (output,) = service.folder.glob("out/*/one.png")
    assert verify_file(output).exit_status == 0  # by the keys that came as credentials
    assert (service.state / "state").is_dir()
    keys = Path(service.environment["EDGE_HOME"]) / "config" / "keys" / "claim.pem"
    assert keys.stat().st_mode & 0o777 == 0o600


def test_what_is_refused_is_kept_apart(service: Service) -> None:
    service.environment["EDGE_PURPOSE"] = "game"
    service.put("one.png")
    done = service.round()
    assert done.returncode == 2
    assert "consent" in done.stderr
    assert (service.found("out"), service.found("failed")) == ([], ["one.png"])


def _files(folder: Path) -> set[str]:
    """Return the paths of the files in a folder's rounds, without the rounds' names."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(Path(*path.relative_to(folder).parts[1:])) for path in paths}


def test_only_what_was_swapped_is_deleted(service: Service) -> None:
    swapped = {"one.png", "a folder/zwei\nZeilen \u00fc.png", "a folder/gone/three.png"}
    kept = {"faceless.png", "a folder/no\nface \u00fc.png", "notes.txt", "a folder/.hidden.png"}
    (service.folder / "in" / "a folder").mkdir()
    for name in sorted(swapped | kept - {"notes.txt"}):
        service.put(name, face=name in swapped)
    (service.folder / "in" / "notes.txt").write_text("mine", encoding="utf-8")
    done = service.round()
    assert done.returncode == 0, done.stderr
    assert _files(service.folder / "out") == swapped
    assert _files(service.folder / "failed") == kept
    assert not list(service.folder.glob("failed/*/a folder/gone"))
    lines = done.stdout.splitlines()
    assert any(line.endswith("/faceless.png: kept: no face") for line in lines)
    assert any(line.endswith("/notes.txt: kept: neither a picture nor a video") for line in lines)
    assert any("zwei\\nZeilen" in line and ": swapped: " in line for line in lines)


def test_what_was_swapped_is_deleted_though_others_failed(service: Service) -> None:
    service.put("one.png")
    (service.folder / "in" / "broken.png").write_bytes(b"no picture")
    done = service.round()
    assert done.returncode == 2
    assert (service.found("out"), service.found("failed")) == (["one.png"], ["broken.png"])
    assert re.search(r"^\S+/broken\.png: kept: FAILED: .+$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "report",
    [
        "",
        '{"outputs": [',
        '{"outputs": [{"input": "IN", "output": "gone.png", "notes": []}], '
        '"skipped": [], "ignored": [], "failed": []}',
    ],
)
def test_without_an_output_nothing_is_deleted(
    service: Service, tmp_path: Path, report: str
) -> None:
    # An engine that ends well and says nothing, half of it, or what is not so.
    stand = tmp_path / "edge"
    said = report.replace("IN", "'\"$4\"'/one.png")
    stand.write_text(f"#!/bin/sh\nprintf %s '{said}'\n", encoding="utf-8")
    stand.chmod(0o755)
    service.environment["EDGE_COMMAND"] = str(stand)
    service.put("one.png")
    done = service.round()
    assert done.returncode == (2 if report else 0)
    assert "Traceback" not in done.stderr
    assert service.found("failed") == ["one.png"]


def _stand_in(path: Path, content: str) -> Path:
    path.write_text(f"#!/bin/sh\n{content}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_folder_that_cannot_be_taken_keeps_nothing_else_from_being_swapped(
    service: Service,
) -> None:
    # As a folder is that its user made with the usual umask: not the group's to move.
    closed = (
        'for each; do case $each in */closed) shut=1 ;; *) set -- "$@" "$each" ;; esac; shift; done'
    )
    _stand_in(
        service.tools / "mv",
        f'shut=0\n{closed}\n[ $# -lt 3 ] || /bin/mv "$@" || exit\nexit $shut',
    )
    service.put("closed/one.png")
    service.put("two.png")
    done = service.round()
    assert done.returncode == 1, done.stderr
    assert "chmod -R g+rwX" in done.stderr
    assert service.found("in") == ["one.png"]
    assert service.found("out") == ["two.png"]
    assert service.round().returncode == 1  # nothing can be taken: nothing is begun
    assert service.found("failed") == []


def test_more_names_than_a_command_s_line_can_hold(service: Service) -> None:
    _stand_in(service.tools / "ls", "exit 2")  # as it ends with a list that is too long
    service.put("one.png")
    assert service.round().returncode == 0
    assert service.found("out") == ["one.png"]


def test_what_an_interrupted_round_left_is_put_aside(service: Service) -> None:
    left, begun = service.folder / "batches" / "then", service.folder / "out" / "then"
    for folder in (left, begun, begun / ".video.mp4.unfinished"):
        folder.mkdir()
    for path in (left / "two.png", begun / "one.png", begun / ".two.png.0-0-0.part.png"):
        path.write_bytes(b"x")
    service.put("three.png")
    done = service.round()
    assert done.returncode == 0, done.stderr
    assert f"{left}: kept: the round was interrupted" in done.stdout
    assert [path.name for path in begun.iterdir()] == ["one.png"]
    assert service.found("failed") == ["two.png"]
    assert service.found("out") == ["one.png", "three.png"]


def test_a_round_under_way_is_left_alone(service: Service) -> None:
    service.put("one.png")
    handle = os.open(service.folder / "batches", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert service.round().returncode == 0
    finally:
        os.close(handle)
    assert service.found("in") == ["one.png"]


def test_the_live_service_records_and_ends_whole(service: Service) -> None:
    pytest.importorskip("av", reason="recordings need PyAV")
    pytest.importorskip("uvicorn", reason="the page needs the extra live")
    (service.folder / "live").mkdir()
    environment = {
        **service.environment,
        "EDGE_SOURCE": "synthetic",
        "EDGE_SIZE": "320x180",
        "EDGE_LISTEN": "127.0.0.1:0",
        "PYTHONUNBUFFERED": "1",
    }
    call = [str(kit("raspberry_pi") / "edge-swap-live")]
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(2)]
        assert said[1].startswith("page: http://127.0.0.1:")
        end = time.monotonic() + 30
        while not list((service.folder / "live").glob(".*.part.mp4")):
            assert time.monotonic() < end, "no frame came"
            time.sleep(0.05)
        child.terminate()  # as systemd stops it
        rest, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "recorded: 1 segment" in rest
    (segment,) = (service.folder / "live").iterdir()
    assert verify_file(segment).exit_status == 0


def test_what_the_live_service_is_told(service: Service) -> None:
    edge = _stand_in(service.tools / "edge", 'printf "%s\\n" "$@"')
    service.environment |= {
        "EDGE_COMMAND": str(edge),
        "EDGE_SOURCE": "camera:0",
        "EDGE_SIZE": "640x360",
        "EDGE_LISTEN": "127.0.0.1:0",
    }
    said = []
    for keep in ("", "20"):
        call = [str(kit("raspberry_pi") / "edge-swap-live")]
        environment = {**service.environment, "EDGE_KEEP": keep}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines())
    assert "--wait" in said[0]  # for a camera that is later than the service
    assert "--keep" not in said[0]
    assert said[1][-2:] == ["--keep", "20"]


def test_a_revocation_ends_it(edge_home: Path, tmp_path: Path) -> None:
    made = bundle(edge_home, tmp_path)
    service = Service(made, tmp_path / "service")
    record = new_revocation(made.stage.consent, operator_key(), load_trust())
    (service.config / "revocations").mkdir()
    save_revocation(record, service.config / "revocations" / "alice.revocation")
    for _ in range(2):
        service.put("one.png")
        done = service.round()
        assert done.returncode == 2
        assert "revoked" in done.stderr
    assert service.found("out") == []
    assert len(service.found("failed")) == 2


class Admin:
    """What root does, with stand-ins for root, for systemd and for the folders of the system."""

    def __init__(self, board: str, folder: Path) -> None:
        self.home, self.public = folder / "etc" / "admin", folder / "etc" / "public"
        (self.home / "config").mkdir(parents=True)
        tools = folder / "tools"
        tools.mkdir()
        self.asked = folder / "asked"
        _stand_in(tools / "id", "echo 0")
        _stand_in(tools / "systemctl", f"echo \"$*\" >> '{self.asked}'")
        text = (kit(board) / "edge-swap-admin").read_text(encoding="utf-8")
        self.script = folder / "edge-swap-admin"
        self.script.write_text(text.replace("/etc/edge-swap", str(folder / "etc")), "utf-8")
        self.environment = {
            **os.environ,
            "EDGE_COMMAND": str(Path(sys.executable).parent / "edge"),
            "PATH": f"{tools}:{os.environ['PATH']}",
        }

    def do(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        call = ["sh", str(self.script), *map(str, words)]
        return subprocess.run(
            call, env=self.environment, capture_output=True, text=True, check=False
        )

    def published(self) -> set[str]:
        """Return the consents of the revocations that services get to see."""
        folder = self.public / "revocations"
        return {load_revocation(path).consent_id for path in folder.iterdir()}


def _revoked(consent_id: str, path: Path) -> Path:
    """Write a revocation of somebody's consent, made elsewhere."""
    key = Ed25519PrivateKey.generate()
    record: dict[str, object] = {
        "schema": "edge-swap/revocation-1",
        "consent_id": consent_id,
        "revoked_at": "2026-01-01T00:00:00Z",
        "reason": "none",
        "signer": {"public_key": public_hex(key)},
    }
    path.parent.mkdir()
    path.write_bytes(readable_json({**record, "signature": sign_record(record, key)}))
    return path


@pytest.mark.parametrize("board", BOARDS)
def test_two_revocations_of_one_name_both_count(
    board: str, edge_home: Path, tmp_path: Path
) -> None:
    made = bundle(edge_home, tmp_path)
    service = Service(made, tmp_path / "service")
    admin = Admin(board, tmp_path)
    shutil.copytree(service.config, admin.home / "config", dirs_exist_ok=True)
    keys = tmp_path / "service" / "credentials"
    shutil.copytree(keys, admin.home / "config" / "keys", dirs_exist_ok=True)
    service.environment["EDGE_CONFIG"] = str(admin.public)
    first = tmp_path / "first" / "alice.revocation"
    first.parent.mkdir()
    alice = made.stage.consent.id
    save_revocation(new_revocation(made.stage.consent, operator_key(), load_trust()), first)
    for path in (first, _revoked("another", tmp_path / "second" / "alice.revocation")):
        done = admin.do("revoke", path)
        assert done.returncode == 0, done.stderr
    assert admin.published() == {alice, "another"}
    assert not list((admin.public / "keys").glob("*.pem"))
    assert sorted(path.name for path in admin.public.parent.iterdir()) == ["admin", "public"]
    # The same once more is no other.
    assert admin.do("revoke", first).returncode == 0
    assert len(list((admin.public / "revocations").iterdir())) == 2
    service.put("one.png")
    done = service.round()
    assert done.returncode == 2
    assert "revoked" in done.stderr
    assert service.found("out") == []


def test_a_revocation_ends_what_is_under_way(edge_home: Path, tmp_path: Path) -> None:
    admin = Admin("jetson", tmp_path)
    assert admin.do("revoke", _revoked("one", tmp_path / "one" / "x")).returncode == 0
    asked = admin.asked.read_text(encoding="utf-8").splitlines()
    assert asked == ["stop edge-swap.service", "try-restart edge-swap-live.service"]


def test_no_key_by_whatever_name_is_published(edge_home: Path, tmp_path: Path) -> None:
    admin = Admin("raspberry_pi", tmp_path)
    config = admin.home / "config"
    for name in ("keys/identity.key", "keys/claim.pem", "keys/anchors/a.pem", "policy.toml"):
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        (config / name).write_text("x", encoding="utf-8")
        (config / name).chmod(0o600)
    assert admin.do("sync").returncode == 0
    files = sorted(path for path in admin.public.rglob("*") if path.is_file())
    named = [str(path.relative_to(admin.public)) for path in files]
    assert named == ["keys/anchors/a.pem", "policy.toml"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o644, 0o644]
    assert admin.public.stat().st_mode & 0o777 == 0o755


def test_what_is_no_revocation_is_not_taken_over(edge_home: Path, tmp_path: Path) -> None:
    admin = Admin("jetson", tmp_path)
    good = _revoked("one", tmp_path / "one" / "x.revocation")
    assert admin.do("revoke", good).returncode == 0
    bad = tmp_path / "x.revocation"
    for content in (b"", b"not JSON", good.read_bytes().replace(b'"one"', b'"two"')):
        bad.write_bytes(content)
        done = admin.do("revoke", bad)
        assert done.returncode != 0
        assert len(done.stderr.splitlines()) == 1
    assert admin.published() == {"one"}


def test_what_root_knows_is_what_services_see(edge_home: Path, tmp_path: Path) -> None:
    admin = Admin("raspberry_pi", tmp_path)
    # As an earlier kit kept them, by the user's own names.
    _revoked("one", admin.home / "config" / "revocations" / "x")
    call = [admin.environment["EDGE_COMMAND"], "consent", "revoke", "--import"]
    environment = {**admin.environment, "EDGE_HOME": str(admin.home)}
    subprocess.run([*call, _revoked("two", tmp_path / "two" / "x")], env=environment, check=True)
    assert admin.do("sync").returncode == 0
    assert admin.published() == {"one", "two"}
    assert admin.do("sync").returncode == 0
    assert admin.published() == {"one", "two"}


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("board", BOARDS)
def test_a_picture_appears_when_it_is_whole(
    board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = _module(kit(board) / "capture.py")
    source, opener = ("usb", "open_usb") if board == "jetson" else ("v4l2", "open_v4l2")
    frame = np.full((48, 64, 3), (200, 100, 50), np.uint8)
    monkeypatch.setattr(capture, opener, lambda *wanted: lambda: frame)
    call = [source, "--folder", str(tmp_path), "--count", "2", "--every", "0.001"]
    assert capture.main(call) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2
    read = cv2.imread(str(tmp_path / names[0]))
    assert read is not None
    assert np.abs(read.astype(int) - frame).max() < 6
    assert capture.main([source, "--folder", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_cameras_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jetson = _module(kit("jetson") / "capture.py")
    assert jetson.main(["csi", "--show-pipeline", "--rate", "15"]) == 0
    pipeline = capsys.readouterr().out
    for words in (
        "nvarguscamerasrc sensor-id=0 !",
        "framerate=15/1",
        "appsink drop=1 max-buffers=1",
    ):
        assert words in pipeline
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:      NO\n")
    assert jetson.main(["csi", "--folder", str(tmp_path), "--count", "1"]) == 2
    assert "has no GStreamer" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "picamera2", None)
    pi = _module(kit("raspberry_pi") / "capture.py")
    assert pi.main(["picamera2", "--folder", str(tmp_path), "--count", "1"]) == 2
    assert "python3-picamera2" in capsys.readouterr().err


def test_what_is_said_of_the_gpu() -> None:
    check = _module(kit("jetson") / "check-gpu.py")
    names = ["numpy", "onnxruntime_gpu", "onnxruntime", "onnxruntime-extensions", "onnxruntime.GPU"]
    assert check.runtimes(names) == ["onnxruntime", "onnxruntime-gpu"]
    build = "  Video I/O:\n    GStreamer:                   YES (1.20.3)\n"
    cuda = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    every = ["TensorrtExecutionProvider", *cuda]
    assert check.complaints(["onnxruntime-gpu"], every, build) == ([], [])
    wrong, notes = check.complaints(
        ["onnxruntime", "onnxruntime-gpu"], ["CPUExecutionProvider"], ""
    )
    assert "installed over each other" in wrong[0]
    assert "CUDAExecutionProvider" in wrong[1]
    assert len(notes) == 2
    assert check.complaints([], cuda, build)[0] == [
        "no onnxruntime: install JetPack's onnxruntime-gpu, see install.sh"
    ]
    assert check.complaints(["onnxruntime-gpu"], cuda, build)[1] == [
        "TensorrtExecutionProvider is not in this onnxruntime"
    ]
