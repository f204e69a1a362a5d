from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.contracts import SourceSpec
from edge.errors import IdentityError
from edge.latent import latent_of

EMAP = np.diag([3.0, 4.0]).astype(np.float32)


def _spec(normalise: bool = True, latent: str = "insightface") -> SourceSpec:
    return SourceSpec("source", "embedding", "some", normalise, 2, latent=latent)  # type: ignore[arg-type]


def _given(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("spec", "emap", "expected"),
    [
        (_spec(), None, (0.6, 0.8)),
        (_spec(normalise=False), None, (6.0, 8.0)),
        (_spec(), EMAP, (1.8 / 3.671512, 3.2 / 3.671512)),
        (_spec(latent="facefusion"), EMAP, (1.8, 3.2)),
    ],
)
def test_each_step_is_taken_where_the_card_says_so(
    spec: SourceSpec, emap: NDArray[np.float32] | None, expected: tuple[float, float]
) -> None:
    latent = latent_of(_given(6, 8), spec, emap=emap)
    assert latent.shape == (1, 2)
    assert latent.dtype == np.float32
    np.testing.assert_allclose(latent[0], expected, atol=1e-6)


def test_the_converter_comes_first() -> None:
    latent = latent_of(_given(3, 4), _spec(), convert=lambda x: x * _given(4, 0))
    np.testing.assert_allclose(latent, [[1, 0]])


@pytest.mark.parametrize("values", [(0, 0), (np.nan, 1), (np.inf, 0), (1, 2, 3)])
def test_what_is_no_embedding_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(IdentityError):
        latent_of(_given(*values), _spec())


@pytest.mark.parametrize("result", [(0, 0), (np.nan, 1), (1, 2, 3)])
def test_what_a_converter_spoils_is_refused(result: tuple[float, ...]) -> None:
    with pytest.raises(IdentityError):
        latent_of(_given(3, 4), _spec(), convert=lambda _: _given(*result).reshape(1, -1))
