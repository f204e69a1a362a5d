from __future__ import annotations

import io

import pytest

from edge.provenance import certificates
from edge.provenance.engine import context

c2pa = pytest.importorskip("c2pa")


@pytest.mark.parametrize("fetch_remote", [False, True])
def test_context_with_and_without_anchors(*, fetch_remote: bool) -> None:
    _, chain = certificates.make_chain()
    for anchors in ([], [certificates.chain_pem(chain[1:])]):
        made = context(anchors, fetch_remote=fetch_remote)
        with pytest.raises(c2pa.C2paError):
            c2pa.Reader("image/jpeg", io.BytesIO(b"\xff\xd8\xff\xd9"), context=made)
