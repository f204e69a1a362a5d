from __future__ import annotations

from email.message import Message
from importlib import metadata
from typing import Any, cast

import pytest

from scripts.licences import complaint, licence_of, main


class Package:
    def __init__(self, *fields: tuple[str, str]) -> None:
        self.metadata = Message()
        for name, value in (("Name", "p"), *fields):
            self.metadata[name] = value


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT"), ("License", "x")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: BSD License")], "BSD License"),
        ([("Classifier", "License :: OSI Approved"), ("License", "Zlib\nlong text")], "Zlib"),
        ([], ""),
    ],
)
def test_where_it_is_stated(fields: list[tuple[str, str]], licence: str) -> None:
    assert licence_of(cast(metadata.Distribution, Package(*fields))) == licence


@pytest.mark.parametrize(
    ("licence", "wrong"),
    [
        ("MIT", False),
        ("MPL-2.0 AND MIT", False),
        ("LGPL-2.1", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT OR GPL-3.0", False),
        ("GPL-3.0-only", True),
        ("GNU Affero General Public License v3", True),
        ("AGPL-3.0", True),
        ("", True),
        ("UNKNOWN", True),
    ],
)
def test_what_does_not_go_along(licence: str, wrong: bool) -> None:
    assert (complaint(licence) is not None) is wrong


def test_this_environment(capsys: Any) -> None:
    assert main(["cpu"]) == 0
    assert "licences of" in capsys.readouterr().out
