from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.isolation import landlock, seccomp
from edge.isolation.confine import Confined, runtime_reads

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

SCRIPT = """
import json, os, socket, subprocess, sys
from pathlib import Path
from edge.isolation.bounds import Bounds
from edge.isolation.confine import Fence, confine

def tried(what):
    try:
        what()
    except BaseException as error:
        return type(error).__name__
    return "done"

def fork():
    if os.fork() == 0:
        os._exit(0)

folder = Path(sys.argv[1])
confined = confine(Bounds(), Fence({fence}))
print(json.dumps([confined.landlock, confined.seccomp, {{
    "named": tried(lambda: (folder / "named").read_bytes()),
    "other": tried(lambda: (folder / "other").read_bytes()),
    "listing": tried(lambda: os.listdir(folder)),
    "write": tried(lambda: (folder / "new").write_bytes(b"")),
    "change": tried(lambda: (folder / "named").write_bytes(b"")),
    "remove": tried(lambda: (folder / "named").unlink()),
    "rights": tried(lambda: (folder / "named").chmod(0o777)),
    "inet": tried(lambda: socket.socket()),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "fork": tried(fork),
    "exec": tried(lambda: os.execv("/bin/true", ["true"])),
    "signal": tried(lambda: os.kill(os.getppid(), 0)),
    "thread": tried(lambda: __import__("threading").Thread(target=print, args=("",)).start()),
    "import": tried(lambda: __import__("numpy")),
}}]))
"""

REFUSED = ("PermissionError", "OSError")


def tried(folder: Path, fence: str) -> tuple[int, bool, dict[str, str]]:
    (folder / "named").write_bytes(b"1")
    (folder / "other").write_bytes(b"2")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(fence=fence), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, filtered, found = json.loads(done.stdout.strip().splitlines()[-1])
    return version, filtered, found


def test_what_a_child_can_do(tmp_path: Path) -> None:
    version, filtered, found = tried(tmp_path, "reads=(folder / 'named',)")
    assert found["import"] == found["thread"] == "done"
    if version:
        assert found["named"] == "done"
        for name in ("other", "listing", "write", "change", "remove"):
            assert found[name] == "PermissionError", name
    if filtered:
        for name in ("rights", "inet", "unix", "fork", "exec", "signal"):
            assert found[name] in REFUSED, name
    if not version and not filtered:
        pytest.skip("this kernel has neither Landlock nor filters")


def test_what_may_be_written_may_be_written(tmp_path: Path) -> None:
    _, _, found = tried(tmp_path, "writes=(folder,)")
    for name in ("named", "other", "listing", "write", "change", "rights", "remove"):
        if name != "rights":
            assert found[name] == "done", name


def test_a_child_with_network(tmp_path: Path) -> None:
    _, _, found = tried(tmp_path, "network=True")
    assert found["inet"] == "done"


def test_this_kernel_has_what_the_threat_model_counts_on() -> None:
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    assert seccomp.usable()


def test_keys_are_not_among_what_is_read(edge_home: Path) -> None:
    keys = edge_home / "config" / "keys"
    reads = runtime_reads()
    assert not [path for path in reads if keys == path or path in keys.parents]
    assert edge_home / "config" / "anchors" in reads
    assert Path("/") not in reads


@pytest.mark.parametrize(
    ("confined", "words"),
    [
        (Confined(True, 7, True), ("limits", "Landlock 7", "seccomp")),
        (Confined(True, 0, False), ("its own process with limits",)),
        (Confined(False, 0, False), ("its own process",)),
    ],
)
def test_it_says_what_is_active(confined: Confined, words: tuple[str, ...]) -> None:
    for word in words:
        assert word in confined.text
    assert ("seccomp" in confined.text) == confined.seccomp
