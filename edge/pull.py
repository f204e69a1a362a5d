"""Download a model file that a card states the source and the hash of: `edge models pull`.

It opens a connection only when the user names a model; only time stamps open another one. A file
gets its name when its size and SHA-256 are those of the card; until then it is a part beside it,
which the next attempt goes on with. Proxies are those of the environment (https_proxy, no_proxy).
EDGE_MODELS_URL names a mirror that holds the files by their names, and is asked instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import edge
from edge.addresses import web_address
from edge.cards import Card
from edge.errors import DownloadError, ModelError
from edge.progress import Progress, silent
from edge.registry import find_file, locate, note_file, own_models_dir, search_path

_CHUNK = 1 << 18
_TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as dead."""

_ATTEMPTS = 4
"""Connections for one pull, as long as each brings something."""

_MOST_DIGITS = 18
"""Digits of a length that a server may state."""

_SPARE = 16 * 1024 * 1024
"""Bytes of disk that are left free."""


def source_of(card: Card) -> str:
    """Return the address that a card's file is pulled from.

    Raises:
        DownloadError: None is known, or the file could not be checked.
    """
    if not card.sha256:
        raise DownloadError(
            f"model {card.name}: its card states no SHA-256, so nothing can be pulled that could "
            "be trusted: get the file yourself, then edge models add FILE"
        )
    mirror = os.environ.get("EDGE_MODELS_URL", "").strip()
    if mirror:
        if web_address(mirror) is None:
            raise DownloadError(f"EDGE_MODELS_URL is no http or https address: {mirror}")
        return f"{mirror.rstrip('/')}/{quote(card.file)}"
    if not card.url:
        raise DownloadError(
            f"model {card.name}: its card states no source to pull it from: get {card.file} "
            "yourself, then edge models add FILE"
        )
    return card.url


def pull(card: Card, *, progress: Progress = silent) -> Path:
    """Download a model's file into the user's own models, unless a right one is there.

    Args:
        card: The model.
        progress: Told of the bytes that have come.

    Returns:
        Where the file is.

    Raises:
        DownloadError: No source is known, the connection fails, or what comes is not the file that
            the card means. What has come of the right length is kept for the next attempt.
        ModelError: A wrong file lies where the right one belongs, or the folder cannot be written.
    """
    if find_file(card) is not None and _is_right(card):
        return locate(card)
    url = source_of(card)
    folder = own_models_dir()
    path = folder / card.file
    part = folder / f".{card.file[:100]}.{card.sha256[:16]}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(card, part) as file:
            _fetch(card, url, file, progress)
            _check(card, url, file, part)
            os.fsync(file.fileno())
            os.chmod(part, 0o644)
            os.replace(part, path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror or error}") from error
    note_file(card, card.sha256, path)
    return locate(card)


def _is_right(card: Card) -> bool:
    """Return whether the right file is there already; a wrong one of the user's is replaced.

    Raises:
        ModelError: A wrong file lies in a folder that is not pulled into, and would be found first.
    """
    try:
        locate(card)
    except ModelError:
        found = find_file(card)
        before = search_path()[: search_path().index(own_models_dir())]
        if found is not None and found.parent in before:
            raise
        return False
    return True


@contextmanager
def _locked(card: Card, part: Path) -> Iterator[IO[bytes]]:
    """Open the part for this process alone."""
    with part.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError(f"model {card.name}: is being pulled by another process") from error
        try:
            yield file
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()  # nothing came: nothing to go on with


def _fetch(card: Card, url: str, file: IO[bytes], progress: Progress) -> None:
    """Bring the part to the card's size, in as many connections as it takes.

    Raises:
        DownloadError: See `pull`.
    """
    for attempt in range(_ATTEMPTS):
        before = file.seek(0, os.SEEK_END)
        if before > card.size:
            file.truncate(0)
            before = 0
        if before == card.size:
            return
        _check_space(card, Path(file.name).parent, card.size - before)
        trouble = _fetch_some(card, url, file, before, progress)
        have = file.seek(0, os.SEEK_END)
        if have == card.size:
            return
        if not have and trouble:
            raise DownloadError(
                f"model {card.name}: {url} cannot be reached ({trouble}): check the address and "
                "the connection"
            )
        if have <= before or attempt == _ATTEMPTS - 1:
            raise DownloadError(
                f"model {card.name}: {url} ended after {have} of {card.size} bytes"
                f"{f' ({trouble})' if trouble else ''}; the same command again goes on from there"
            )


def _check_space(card: Card, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise DownloadError(
            f"model {card.name}: {needed / 1e6:.0f} MB are to come, and {folder} has "
            f"{free / 1e6:.0f} MB free"
        )


def _fetch_some(card: Card, url: str, file: IO[bytes], have: int, progress: Progress) -> str:
    """Take what one connection gives; return what ended it early, or nothing.

    Raises:
        DownloadError: The server refuses, offers a file of another size, or redirects to what is
            no address.
    """
    headers = {"User-Agent": f"edge-swap/{edge.__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener(_OnlyHttps)
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = opener.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise _refused(card, url, file, have, error) from error
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)
    except ValueError as error:
        raise DownloadError(
            f"model {card.name}: {url} is no address that can be asked ({error}): check it"
        ) from error
    with answer:
        at = _start(card, url, answer, have)
        if at != have:
            file.truncate(0)  # a server that knows no ranges begins anew
        return _take(card, url, answer, file, at, progress)


def _refused(
    card: Card, url: str, file: IO[bytes], have: int, error: urllib.error.HTTPError
) -> DownloadError:
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        file.truncate(0)
        return DownloadError(
            f"model {card.name}: {url} has no more than the {have} bytes that were here; they were "
            "dropped: try again"
        )
    return DownloadError(f"model {card.name}: {url} answers {error.code} {error.reason}")


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


def _start(card: Card, url: str, answer: Any, have: int) -> int:
    """Return the place in the file that an answer begins at, after checking its size.

    Raises:
        DownloadError: It is of another size than the card says, or not what was asked for.
    """
    at = 0
    if answer.status == http.client.PARTIAL_CONTENT:
        place = str(answer.headers.get("Content-Range", ""))
        if not place.startswith(f"bytes {have}-"):
            raise DownloadError(f"model {card.name}: {url} answers with another part: '{place}'")
        at = have
    elif answer.status != http.client.OK:
        raise DownloadError(f"model {card.name}: {url} answers {answer.status}")
    length = str(answer.headers.get("Content-Length", ""))
    if length.isdecimal() and (len(length) > _MOST_DIGITS or at + int(length) != card.size):
        offered = str(at + int(length)) if len(length) <= _MOST_DIGITS else f"{length[:6]}.."
        raise DownloadError(
            f"model {card.name}: {url} offers {offered} bytes where the card says "
            f"{card.size}: it is another file"
        )
    return at


def _take(card: Card, url: str, answer: Any, file: IO[bytes], at: int, progress: Progress) -> str:
    """Write what comes; return what ended it early, or nothing."""
    progress(at, card.size, card.file)
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            return _reason(error)
        if not chunk:
            return ""
        at += len(chunk)
        if at > card.size:
            file.truncate(0)
            raise DownloadError(
                f"model {card.name}: {url} gives more than the {card.size} bytes of the card: it "
                "is another file"
            )
        file.write(chunk)
        file.flush()
        progress(at, card.size, card.file)


def _check(card: Card, url: str, file: IO[bytes], part: Path) -> None:
    """Check the whole file; one that is another file is removed.

    Raises:
        DownloadError: Its SHA-256 is not the card's.
    """
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    if digest.hexdigest() != card.sha256:
        part.unlink(missing_ok=True)
        raise DownloadError(
            f"model {card.name}: {url} gave a file with SHA-256 {digest.hexdigest()[:12]}.. where "
            f"the card says {card.sha256[:12]}..; it was removed"
        )


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only: none may lead to plain http, or into the file system."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            fp.close()
            raise DownloadError(
                f"{req.full_url} redirects to {newurl}, which is not https: refused"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any
    ) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError as error:
            fp.close()
            where = headers.get("Location")
            raise DownloadError(
                f"{req.full_url} redirects to {where!r}, which is no address ({error}): refused"
            ) from error

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
