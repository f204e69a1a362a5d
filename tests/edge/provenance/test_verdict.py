from __future__ import annotations

import itertools
import json

import pytest

from edge.provenance.verdict import Verdict, worst


@pytest.mark.parametrize("pair", list(itertools.combinations([2, 4, 5, 3, 0], 2)), ids=str)
def test_worst_of_two(pair: tuple[int, int]) -> None:
    assert worst(pair) == worst(pair[::-1]) == pair[0]


def test_keys_are_stable() -> None:
    content = Verdict(file="a.jpg", exit_status=2).to_dict()
    assert list(content) == [
        "file",
        "exit_status",
        "media_type",
        "problem",
        "manifest",
        "manifest_source",
        "manifest_url",
        "integrity",
        "failures",
        "signer",
        "time",
        "generator",
        "output_id",
        "bundle",
        "live",
        "ingredients",
        "actions",
        "models",
        "consent",
        "target_sha256",
        "visible_label",
        "implicit_label",
        "implicit_label_signed",
        "agreement",
        "watermark",
        "notes",
    ]
    json.dumps(content)
