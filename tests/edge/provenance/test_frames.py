"""Pictures of a live stream: each is signed as a file of its own would be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import pytest

from edge.errors import ProvenanceError
from edge.provenance.frames import FrameSigner, of_stream
from edge.provenance.label import Label
from edge.provenance.verify import verify_file
from edge.provenance.watermark.embed import watermark_for
from edge.records import LivePart, SwapRecord
from tests.docs.spec.outputs import assertions_of
from tests.docs.spec.test_schemas import schema
from tests.scene import stage, target

STREAM = "urn:uuid:00000000-0000-4000-8000-000000000001"


@pytest.fixture
def record(edge_home: Path, tmp_path: Path) -> SwapRecord:
    swapper = stage(edge_home, tmp_path / "work").swapper()
    place = swapper.plan_label(target(), [])
    made = swapper.record(swapper.permit_for("live"), place, "", faces=0, frames=1)
    return of_stream(replace(made, live=LivePart(STREAM, "synthetic", "frame", 0, 0)))


def jpeg(record: SwapRecord) -> bytes:
    frame = target()
    Label(record.label).draw(frame)
    watermark_for(record, frame.shape[1], frame.shape[0]).draw(frame)
    done, data = cv2.imencode(".jpg", frame)
    assert done
    return data.tobytes()


def test_each_picture_is_signed_and_says_which_it_is(record: SwapRecord, tmp_path: Path) -> None:
    signer = FrameSigner(record)
    for index, faces in ((0, 0), (7, 2)):
        path = tmp_path / f"{index}.jpg"
        path.write_bytes(signer.sign(jpeg(record), index, index * 40, faces))
        verdict = verify_file(path)
        assert verdict.exit_status == 0
        assert verdict.claims is not None
        assert verdict.claims.output_id == STREAM
        assert verdict.claims.live is not None
        assert (verdict.claims.live.part, verdict.claims.live.index) == ("frame", index)
        assert verdict.claims.live.begins == index * 40
        assert verdict.agreement.produce_id is True
        assert verdict.agreement.watermark is True
        data = assertions_of(path)
        jsonschema.validate(data, schema("assertions-1"))
        assert data["org.edge-swap.swap"]["faces"] == faces
        assert data["org.edge-swap.swap"]["medium"] == "live"
    assert signer.signed == 2


def test_what_is_no_picture_is_refused(record: SwapRecord) -> None:
    with pytest.raises(ProvenanceError):
        FrameSigner(record).sign(b"no jpeg", 0, 0, 0)


def test_a_picture_that_does_not_verify_is_an_error(
    record: SwapRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = FrameSigner(record)
    signer._live = replace(signer._live, stream="another")
    with pytest.raises(ProvenanceError, match="does not verify"):
        signer.sign(jpeg(record), 0, 0, 0)


def test_only_a_stream_has_pictures(record: SwapRecord) -> None:
    with pytest.raises(ValueError, match="which stream"):
        FrameSigner(replace(record, live=None))
    with pytest.raises(ValueError, match="which stream"):
        of_stream(replace(record, live=None))
