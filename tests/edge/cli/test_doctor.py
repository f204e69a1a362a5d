"""`edge doctor`: one page or JSON, exit status 0 when usable and 1 when there is a problem."""

from __future__ import annotations

import json

import pytest

from edge import doctor
from edge.cli import main
from edge.doctor import Finding, Section

WELL = (Section("packages", (Finding("numpy", "2.0"), Finding("av", "not installed", "note"))),)
ILL = (
    *WELL,
    Section("engines", (Finding("engines", "none\x1b[2J\nhere", "problem", "pip install x"),)),
)


@pytest.mark.parametrize(("sections", "status"), [(WELL, 0), (ILL, 1)])
def test_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sections: tuple[Section, ...],
    status: int,
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: sections)
    assert main(["doctor"]) == status
    page = capsys.readouterr().out
    assert ("no problem found" in page) == (status == 0)
    assert "\x1b" not in page
    assert main(["doctor", "--json"]) == status
    answer = json.loads(capsys.readouterr().out)
    assert answer["usable"] == (status == 0)
    assert answer["sections"]["packages"][0] == {
        "topic": "numpy",
        "text": "2.0",
        "state": "ok",
        "mend": "",
    }


def test_the_mend_stands_below_the_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: ILL)
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    (index,) = [i for i, line in enumerate(lines) if line.startswith("! engines")]
    assert lines[index + 1].strip() == "-> pip install x"


def test_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert list(sections) == [
        "machine",
        "packages",
        "engines",
        "privacy",
        "folders",
        "models",
        "label",
        "isolation",
        "safety",
    ]
    assert all(sections.values()), "a section without a finding"
