"""Write a bundle's .zip file: the same folder gives the same bytes, whoever packs it and when."""

from __future__ import annotations

import contextlib
import os
import secrets
import zipfile
from pathlib import Path

from edge.bundle.contents import CONTENTS, SEAL, Contents
from edge.bundle.holders import Holder
from edge.consent.storage import sync_folder
from edge.publish import writing_failed

__all__ = ["pack"]

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a .zip file can state
_UNIX = 3


def pack(holder: Holder, contents: Contents, output: Path, *, seal: bytes, mode: int) -> None:
    """Write a bundle as a .zip file: complete, or not there at all.

    Args:
        holder: Where the files come from.
        contents: What it holds.
        output: The file; replaced when it exists, so check before.
        seal: Its bundle.sig.
        mode: File mode, of the .zip file and in it.

    Raises:
        BundleError: A file cannot be read.
        OutputError: The disk is full, or the folder may not be written to.
    """
    part = output.with_name(f".{output.name[:100]}.{secrets.token_hex(4)}.part")
    paths = [CONTENTS, *sorted(each.path for each in contents.parts)]
    try:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w+b") as file:
            with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
                with archive.open(_entry(SEAL, mode), "w") as out:
                    out.write(seal)
                for path in paths:
                    with archive.open(_entry(path, mode), "w") as out:
                        for chunk in holder.chunks(path, 1 << 40):
                            out.write(chunk)
            file.flush()
            os.fsync(handle)
        os.replace(part, output)
        sync_folder(output.parent)
    except (OSError, zipfile.LargeZipFile) as error:
        raise writing_failed(output, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _entry(path: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = (0o100000 | mode) << 16
    return entry
