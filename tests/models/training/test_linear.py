"""The linear map that errs least finds again what made some vectors of others."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.training.linear import fitted  # noqa: E402

LENGTH = 512


def unit(count: int, seed: int) -> Any:
    rows = torch.randn(count, LENGTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def test_the_words_of_a_new_recogniser_become_those_of_the_old() -> None:
    turn = torch.linalg.qr(torch.randn(LENGTH, LENGTH, generator=torch.Generator().manual_seed(2)))
    new = unit(4000, 3)
    old = torch.nn.functional.normalize(new @ turn[0] + 0.02, dim=1)
    weight, bias = fitted(new, old)
    again = unit(50, 4)
    made = (again.double() @ weight.T + bias).float()
    wanted = torch.nn.functional.normalize(again @ turn[0] + 0.02, dim=1)
    assert float(torch.nn.functional.cosine_similarity(made, wanted).min()) > 0.95
