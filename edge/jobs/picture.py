"""Swap a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import NoFaceError
from edge.jobs.deliver import deliver
from edge.jobs.results import Done, Stopwatch
from edge.media.image import encode_picture, read_picture, solid_over
from edge.media.sniff import media_type_for
from edge.provenance.implicit import implicit_json, write_implicit
from edge.provenance.label import Label
from edge.provenance.watermark.embed import watermark_for
from edge.publish import Publication

if TYPE_CHECKING:
    from pathlib import Path

    from edge.swap import Swapper


def swap_picture(swapper: Swapper, source: Path, output: Path, *, overwrite: bool) -> Done:
    """Swap the faces of a picture; see `edge.jobs.file.swap_file`.

    Raises:
        GateError: The picture does not pass the content gate.
        NoFaceError: The picture holds no face.
        EdgeError: Anything else that is in the way.
    """
    watch = Stopwatch()
    leave = swapper.permit_for("picture")
    with watch.stage("read"):
        picture = read_picture(source)
    if swapper.gates:
        with watch.stage("content gate"):
            swapper.gates.check(picture.frame, str(source))
    with watch.stage("detect"):
        faces = swapper.find(picture.frame)
    if not faces:
        raise NoFaceError(f"{source}: {swapper.nothing_found}; nothing was written")
    with watch.stage("swap"):
        regions = swapper._swap_into(picture.frame, faces)
    with watch.stage("label"):
        place = swapper.plan_label(picture.frame, regions)
        Label(place).draw(picture.frame)
    record = swapper.record(leave, place, picture.sha256, faces=len(faces), frames=1)
    with watch.stage("watermark"):
        height, width = picture.frame.shape[:2]
        watermark_for(record, width, height).draw(picture.frame)
    media_type = media_type_for(output)
    with watch.stage("encode"):
        # A label on clear pixels would not be seen: below it the picture becomes solid.
        alpha = None if picture.alpha is None else solid_over(picture.alpha, place.region)
        data = encode_picture(picture.frame, alpha, media_type, icc=picture.icc)
        data = write_implicit(data, media_type, implicit_json(record))
    with watch.stage("sign and publish"), Publication(output, overwrite=overwrite) as publication:
        plain = publication.write(data)
        delivered = deliver(publication, plain, swapper.ledger, record, source, output)
    return Done(
        source, output, record, delivered.sha256, watch.seconds, delivered.notes, watch.elapsed
    )
