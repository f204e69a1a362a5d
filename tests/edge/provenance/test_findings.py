from __future__ import annotations

from typing import Any

import pytest

from edge.provenance.findings import failure_codes, integrity_of, other_codes


def _holder(*codes: str) -> dict[str, Any]:
    failure = [{"code": code} for code in codes]
    return {"validation_results": {"activeManifest": {"failure": failure}}}


@pytest.mark.parametrize(
    ("codes", "integrity"),
    [
        ((), "intact"),
        (("signingCredential.untrusted",), "intact"),
        (("signingCredential.untrusted", "signingCredential.expired"), "intact"),
        (("cawg.x509.credential.untrusted",), "intact"),
        (("assertion.dataHash.mismatch",), "tampered"),
        (("signingCredential.untrusted", "assertion.bmffHash.mismatch"), "tampered"),
        (("assertion.hashedURI.mismatch",), "tampered"),
        (("claimSignature.mismatch",), "tampered"),
        (("assertion.action.malformed",), "invalid"),
        (("something.new",), "invalid"),
    ],
)
def test_integrity(codes: tuple[str, ...], integrity: str) -> None:
    assert integrity_of(_holder(*codes)) == integrity
    assert failure_codes(_holder(*codes)) == codes


def test_repeated_codes_count_once() -> None:
    assert failure_codes(_holder("a", "b", "a")) == ("a", "b")


def test_the_older_form_of_ingredients() -> None:
    assert failure_codes({"validation_status": [{"code": "a"}]}) == ("a",)


def test_other_codes() -> None:
    results = {"success": [{"code": "a"}], "informational": [{"code": "b"}]}
    assert other_codes({"validation_results": {"activeManifest": results}}) == ("a", "b")


@pytest.mark.parametrize("holder", [{}, {"validation_results": 3}, {"validation_status": "x"}])
def test_other_shapes_do_not_raise(holder: dict[str, Any]) -> None:
    assert failure_codes(holder) == other_codes(holder) == ()
