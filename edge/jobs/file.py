"""Swap one file, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import NoFaceError
from edge.jobs.picture import swap_picture
from edge.jobs.results import Done
from edge.jobs.unfinished import remove_outlived
from edge.media.sniff import is_video
from edge.progress import Progress, silent
from edge.publish import check_destination, remove_stale

if TYPE_CHECKING:
    from pathlib import Path

    from edge.swap import Swapper


def swap_file(
    swapper: Swapper,
    source: Path,
    output: Path,
    *,
    overwrite: bool = False,
    skip_without_face: bool = False,
    resume: bool = False,
    progress: Progress = silent,
) -> Done:
    """Swap a picture or a video.

    Args:
        swapper: Who is swapped in, and how.
        source: JPEG, PNG, WebP, BMP, TIFF or AVIF picture; or a video that PyAV reads.
        output: .jpg, .png or .webp; or .mp4 or .mov.
        overwrite: Replace an existing output.
        skip_without_face: Write nothing for a source without a face, instead of an error.
        resume: Keep what is finished of a video when it is interrupted, and go on with what is
            kept of an earlier call.
        progress: Told after each frame of a video.

    Returns:
        What was made.

    Raises:
        EdgeError: Anything that is in the way; then there is no output.
    """
    check_destination(source, output, overwrite)
    remove_stale(output.parent)
    remove_outlived(output.parent)
    swapper.ledger.recover()
    names = {"input": str(source), "output": str(output)}
    with swapper.refusals(names):
        try:
            if is_video(source):
                from edge.jobs.video import swap_video

                return swap_video(
                    swapper, source, output, overwrite=overwrite, resume=resume, progress=progress
                )
            return swap_picture(swapper, source, output, overwrite=overwrite)
        except NoFaceError:
            if not skip_without_face:
                raise
            swapper.ledger.event("skipped-no-face", names)
            return Done(source, None, None, "", {})
        except KeyboardInterrupt:
            swapper.ledger.event("interrupted", names)
            raise
