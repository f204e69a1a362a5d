from __future__ import annotations

import contextlib
import html
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli import GROUPS, command_names, main
from edge.harmless import HarmlessStream, harmless, harmless_streams, html_text, one_line, raw

EVIL = "a\x1b[2J\x07\x9b31m\u202e\u2066\u200f<script>alert(1)</script>&\"'[red]\\[bold]\rb"

DRAWS = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200f", "\r")


@given(st.text())
def test_nothing_but_what_prints(text: str) -> None:
    assert one_line(text).isprintable()
    assert harmless(text).replace("\n", "").replace("\t", "").isprintable()


@given(st.text())
def test_what_prints_stays(text: str) -> None:
    if text.isprintable():
        assert harmless(text) == text


@given(st.text())
def test_a_page_holds_the_same_words_and_no_markup(text: str) -> None:
    shown = html_text(text)
    assert not {"<", ">", '"', "'"} & set(shown)
    assert html.unescape(shown) == one_line(text)


def test_lines_stay_lines() -> None:
    assert harmless("a\nb\tc\x1bd\n") == "a\nb\tc\\x1bd\n"
    assert one_line("a\nb\tc\x1bd\n") == "a b c\\x1bd"


def test_a_stream() -> None:
    below = io.StringIO()
    stream = HarmlessStream(below)
    assert stream.write(EVIL) == len(EVIL)
    stream.writelines(["x\x1b", "y\n"])
    assert not [mark for mark in DRAWS if mark in below.getvalue()]
    assert below.getvalue().endswith("x\\x1by\n")
    assert not stream.isatty()
    assert raw(stream) is below  # type: ignore[arg-type]
    assert raw(below) is below


def test_streams_are_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with harmless_streams(), harmless_streams():
        sys.stdout.write("\x1b")
        assert raw(sys.stdout) is before
    assert sys.stdout is before
    assert capsys.readouterr().out == "\\x1b"


# Every command, given names and contents of others.


def words_of(name: str, file: Path, folder: Path) -> list[list[str]]:
    """Return calls that make a command name a file, or say what is in it."""
    text, out = str(file), str(folder / f"out{EVIL.replace('/', '')}.jpg")
    leave = ["--purpose", "film", "--target-is", "self"]
    calls: dict[str, list[list[str]]] = {
        "bench": [["--compare", text], ["--model", EVIL]],
        "bundle": [["trust", "add", text], ["renew", text]],
        "consent": [["show", text], ["check", text]],
        "demo": [["-o", text]],
        "detect": [[text], [text, "--detector", EVIL], [text, "--json"]],
        "doctor": [[]],
        "enroll": [["--consent", text, "--photos", text, "-o", out]],
        "identity": [["show", text], ["show", text, "--json"]],
        "inspect": [[text], [text, "--json"]],
        "keys": [["import", "--key", text, "--chain", text], ["show", "--json"]],
        "ledger": [["check", text], ["show", "--json"]],
        "live": [["--camera", text]],
        "models": [["add", text], ["show", EVIL], ["verify", EVIL], ["add", text, "--card", EVIL]],
        "run": [[text, "--input", text, "--output", out, *leave]],
        "selftest": [[text], [text, "--json"]],
        "swap": [["--identity", text, "--input", text, "--output", out, *leave]],
        "trust": [["add", text], ["list", "--json"]],
        "tune": [[text], [text, "--json"]],
        "verify": [[text], [text, "--json"], [text, "--no-isolate"]],
        "warmup": [[text]],
        "build": [["--model", text, "--target", "x86_cpu", "-o", out]],
        "quantize": [[text, "-o", out]],
        "compare": [[text, text, "--report", out]],
    }
    return calls[name]


NAMES = [*command_names(), "build", "quantize", "compare"]


@pytest.mark.parametrize("name", NAMES)
def test_no_command_lets_anything_through(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in {"build", "quantize", "compare"}:
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    there = tmp_path / f"{EVIL.replace('/', '')}.jpg"
    there.write_text(json.dumps({"schema": EVIL, "subject": EVIL}, ensure_ascii=False))
    if name == "demo":
        there.unlink()
        there.write_text("a file, no folder")
    for words in words_of(name, there, tmp_path):
        with contextlib.suppress(SystemExit):  # argparse leaves by itself
            main([name, *words])
        said = capsys.readouterr()
        for text in (said.out, said.err):
            assert not [mark for mark in DRAWS if mark in text], (words, text)
        if words[-1:] == ["--json"] and said.out:
            json.loads(said.out)


def test_the_help_names_all_of_them() -> None:
    assert {name for _, group in GROUPS for name in group} <= set(NAMES)


def test_a_warning_or_a_traceback_goes_through_it_too() -> None:
    script = (
        "import sys, warnings; from edge import cli\n"
        "class Broken:\n    HELP = ''\n    def configure(self, parser): pass\n"
        "    def run(self, arguments):\n"
        "        warnings.warn('\\x1b[2J'); print('\\x1b[2J'); return 0\n"
        "cli._load = lambda name: Broken(); sys.argv[1:] = ['x']; sys.exit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"\\x1b[2J" in done.stdout
    assert b"\\x1b[2J" in done.stderr
