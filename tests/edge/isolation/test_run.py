from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import MediaError, UsageError
from edge.isolation import run
from edge.isolation.bounds import Bounds
from edge.isolation.run import Ended, Request, ask, has_one_thread, how, spawned

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

# A lean process of its own, which may be copied: each job misbehaves in the copy.
SCRIPT = """
import ctypes, json, os, socket, sys, time
from pathlib import Path
import edge.errors
from edge.isolation.bounds import Bounds
from edge.isolation.jobs import JOBS
from edge.isolation.run import Ended, Request, ask, forked, has_one_thread

def job(arguments, confined):
    {body}
    return "done", b"behind it"

JOBS["job"] = job
{before}
assert has_one_thread()
try:
    print(json.dumps([str(part) for part in ask(Request("job", {request}), forked)]))
except (Ended, edge.errors.EdgeError) as error:
    print(json.dumps({{"kind": type(error).__name__, "text": str(error)}}))
"""


def ended(body: str, request: str = "", before: str = "") -> object:
    script = SCRIPT.format(body=body, request=request, before=before)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_answer_and_the_bytes_behind_it() -> None:
    assert ended("pass") == ["done", "b'behind it'"]


def test_a_parent_with_more_open_files_than_select_takes() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2000:
        pytest.skip("no more than 2000 files may be open here")
    more = (
        "import resource; most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2000, most)); "
        "held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]"
    )
    assert ended("pass", before=more) == ["done", "b'behind it'"]


@pytest.mark.parametrize(
    ("body", "request_", "text"),
    [
        ("ctypes.string_at(0)", "", "crashed (segmentation fault)"),
        ("os.abort()", "", "crashed (aborted)"),
        ("os.kill = None; time.sleep(60)", "bounds=Bounds(seconds=0.5)", "did not end within 0"),
        ("while True: pass", "bounds=Bounds(seconds=0.5)", "did not end within 0"),
        ("bytearray(1 << 30)", "bounds=Bounds(memory=100 << 20)", "more memory than 0.0977 GiB"),
        ("os._exit(7)", "", "ended without an answer (status 7)"),
        ("return 'x' * 99, b''", "answer=50", "answered more than there can be to say"),
        ("raise KeyError('k')", "", "failed (KeyError: 'k')"),
        ("return object(), b''", "", "ended without an answer"),
    ],
)
def test_what_goes_wrong_is_one_line(body: str, request_: str, text: str) -> None:
    found = ended(body, request_)
    assert isinstance(found, dict)
    assert found["kind"] == "Ended"
    assert text in found["text"]
    assert "\n" not in found["text"]


def test_an_error_of_ours_keeps_its_class() -> None:
    found = ended("raise edge.errors.MediaError('f: broken')")
    assert found == {"kind": "MediaError", "text": "f: broken"}


def test_nothing_of_the_parent_is_open_in_the_copy(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    body = "return sorted(os.listdir('/proc/self/fd')), b''"
    found = ended(body)
    assert isinstance(found, list)
    # Standard streams, the answer, and the listing itself.
    assert len(json.loads(found[0].replace("'", '"'))) <= 5


def test_a_fresh_interpreter_where_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "has_one_thread", lambda: False)
    done, rest = ask(Request("confined"), run.forked)
    assert done["limits"] is True
    assert rest == b""


def test_its_error_is_raised_here(tmp_path: Path) -> None:
    path = tmp_path / "no.png"
    with pytest.raises(MediaError, match="there is no such file"):
        ask(Request("picture", {"path": str(path)}))


def test_an_unknown_job_has_no_answer() -> None:
    with pytest.raises(Ended, match="ended without an answer"):
        ask(Request("no such job"))


def test_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(UsageError, match="no Python"):
        spawned(Request("confined"))


def test_one_thread() -> None:
    assert has_one_thread() in {True, False}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (signal.SIGKILL, "want of memory"),
        (signal.SIGXCPU, "more time"),
        (signal.SIGSYS, "asked the system"),
        (signal.SIGBUS, "crashed (bus error)"),
    ],
)
def test_how_it_ended(number: int, text: str) -> None:
    assert text in how(number)


def test_bounds_travel() -> None:
    from edge.isolation.run import request_from
    from edge.isolation.wire import packed

    asked = Request("verify", {"path": "a\udcff"}, Bounds(memory=1), ("x",), True, 5)
    assert request_from(json.dumps(packed(asked)).encode()) == asked
