from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.provenance.watermark.identifier import watermark_id


def test_the_id_of_an_output_never_changes() -> None:
    """Marks that are in the world must stay traceable: this value is for ever."""
    assert watermark_id("urn:uuid:00000000-0000-4000-8000-000000000000") == "c8b98841a3202509"


@given(st.uuids(version=4), st.uuids(version=4))
def test_ids_are_16_hex_digits_and_differ(one: object, other: object) -> None:
    first, second = (watermark_id(f"urn:uuid:{each}") for each in (one, other))
    assert len(first) == 16
    assert int(first, 16) >= 0
    assert (first == second) == (one == other)
