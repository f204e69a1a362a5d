"""Sign the pictures of a live stream, in memory: a manifest in every one, before it is shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edge.errors import ProvenanceError
from edge.provenance import xmp
from edge.provenance.engine import context
from edge.provenance.implicit import implicit_json
from edge.provenance.manifest import LIVE, SWAP, manifest_for
from edge.provenance.signer import CallbackSigner, SigningKey, ready_to_sign, root_pem

if TYPE_CHECKING:
    from edge.records import SwapRecord

JPEG = "image/jpeg"

VERIFY_EVERY = 100
"""Pictures from one that is read back and verified to the next; the first one always is."""


class FrameSigner:
    """Signs the JPEGs of one stream; for one thread.

    Attributes:
        signed: Pictures signed so far.
    """

    def __init__(self, record: SwapRecord, *, key: SigningKey | None = None) -> None:
        """Prepare what is the same in all pictures.

        Args:
            record: Of a frame of the stream; its `live` says of which.
            key: Signs; this device's key by default.

        Raises:
            KeyStoreError: The key cannot be used.
        """
        if record.live is None:
            raise ValueError("a picture of a live stream says of which stream it is")
        self._live = record.live
        self._key = ready_to_sign(key)
        self._callback = CallbackSigner(self._key)
        self._context: Any = context([root_pem(self._key)])
        self._packet = xmp.packet(implicit_json(record))
        self._definition = manifest_for(record, JPEG)
        data = {one["label"]: one["data"] for one in self._definition["assertions"]}
        self._swap, self._part = data[SWAP], data[LIVE]
        self.signed = 0

    def sign(self, jpeg: bytes, index: int, begins: int, faces: int) -> bytes:
        """Return a picture with implicit label and signed manifest.

        Args:
            jpeg: Labelled, watermarked and encoded.
            index: Its number in the stream.
            begins: Milliseconds from the stream's beginning.
            faces: Faces that were swapped in it.

        Raises:
            ProvenanceError: It could not be signed, or does not verify.
        """
        import c2pa

        self._swap["faces"] = faces
        self._part |= {"index": index, "beginsMs": begins}
        signed = io.BytesIO()
        try:
            builder = c2pa.Builder(self._definition, context=self._context)
            plain = io.BytesIO(xmp.put(jpeg, JPEG, self._packet))
            builder.sign(self._callback.signer, JPEG, plain, signed)
            if self.signed % VERIFY_EVERY == 0:
                self._verify(signed)
        except c2pa.C2paError as error:
            why = self._callback.failure or error
            raise ProvenanceError(f"a live picture could not be signed: {why}") from error
        self.signed += 1
        return signed.getvalue()

    def _verify(self, signed: io.BytesIO) -> None:
        import c2pa

        signed.seek(0)
        with c2pa.Reader(JPEG, signed, context=self._context) as reader:
            state = reader.get_validation_state()
            content = json.loads(reader.json())
        active = content["manifests"][content["active_manifest"]]
        parts = [one["data"] for one in active["assertions"] if one["label"] == LIVE]
        if state != "Trusted" or [part.get("stream") for part in parts] != [self._live.stream]:
            raise ProvenanceError(f"a signed live picture does not verify ({state})")


def of_stream(record: SwapRecord) -> SwapRecord:
    """Return the record of a stream's pictures: their output is the stream, under its own id."""
    if record.live is None:
        raise ValueError("a picture of a live stream says of which stream it is")
    return replace(record, output_id=record.live.stream)
