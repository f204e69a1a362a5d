"""Hostile .ort files: each is refused in one line, before any engine is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.backends._ort_limits import check_ort_file
from edge.errors import ModelError
from edge.limits import limits_path
from tests.flat import Number, written
from tests.flat_models import ort_model as model
from tests.flat_models import ort_nested as deep
from tests.flat_models import ort_type as shaped
from tests.flat_models import ort_weight as weight


def save(folder: Path, data: bytes) -> Path:
    path = folder / "m.ort"
    path.write_bytes(data)
    return path


def test_sound_models_pass(tmp_path: Path) -> None:
    check_ort_file(save(tmp_path, model()))
    check_ort_file(save(tmp_path, model(**deep(3))))


HOSTILE: dict[str, tuple[bytes, str]] = {
    "weight": (model(weights=[weight(1 << 20, 1 << 20)]), "its weight 'w' has 4.194e[+]06 MiB"),
    "negative": (model(weights=[weight(-4)]), "has a negative size"),
    "short": (model(weights=[weight(100, raw=b"abcd")]), "4 bytes, not 400"),
    "outside": (model(weights=[weight(2, _6=Number("Int64", 0))]), "lies in another file"),
    "value": (model(values=[{0: "x", 2: shaped(1 << 31, 1 << 31)}]), "its tensor 'x' has"),
    "sides": (model(values=[{0: "x", 2: shaped(*[1] * 33)}]), "more sides than any has"),
    "custom": (model(nodes=[{2: "evil", 5: "Run"}]), "custom operator 'evil.Run'"),
    "nodes": (model(nodes=[{5: "Relu"}] * 300), "more than 200 nodes"),
    "sparse": (model(more={7: [{}]}), "stored sparsely"),
    "attribute": (
        model(nodes=[{5: "Constant", 10: [{0: "value", 6: weight(1 << 40)}]}]),
        "its weight 'w' has",
    ),
    "deep": (model(**deep(20)), "damaged"),
    "no graph": (written({0: "6", 1: {}}, b"ORTM"), "it holds no graph"),
    "letters": (written({0: "6"}, b"ABCD"), r"not an \.ort model"),
    "cut": (model()[:100], "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_nodes = 200\n")
    data, words = HOSTILE[name]
    with pytest.raises(ModelError, match=words) as caught:
        check_ort_file(save(tmp_path, data))
    assert "\n" not in str(caught.value)


def test_a_domain_can_be_named(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\ndomains = ['evil']\n")
    check_ort_file(save(tmp_path, model(nodes=[{2: "evil", 5: "Run"}])))
