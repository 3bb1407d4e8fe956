"""Fetching separation weights: resumed where it broke off, checked, and put in place whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from bridge.disk import unwritable
from bridge.errors import EngineUnavailable
from bridge.progress import Progress
from bridge.separation.waiting import while_waiting
from bridge.separation.weights import Published, expected_prefix, models_dir, published

#: demucs.pretrained.ROOT_URL, which can't be read without importing torch.
BASE_URL = "https://dl.fbaipublicfiles.com/demucs/"

#: Seconds that a server may be silent before the connection counts as broken.
_SILENCE_S = 30.0
_BLOCK_BYTES = 1 << 18
#: How often a connection that broke off is taken up again before we ask the user.
_ATTEMPTS = 3


def download(name: str, progress: Progress, *, base_url: str = BASE_URL) -> Path:
    """Fetch the weights of `name` and return their folder; what is there and whole already is not fetched again.

    Asking the user is the caller's business. A download that was broken off or cancelled leaves a ``.part`` file, with
    which the next one goes on.

    Raises
    ------
    InvalidRequest
        There is no such model.
    EngineUnavailable
        No network, no such file on the server, the connection broke off, or what came is not the published file.
    OutputUnwritable
        No space or no permission in the folder.
    Cancelled
        The user stopped it.
    """
    model = published(name)
    folder = models_dir(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, file in enumerate(model.files):
            part = progress.part(index / len(model.files), (index + 1) / len(model.files))
            _fetch_file(f"{base_url.rstrip('/')}/{model.folder}{file}", folder / file, part)
        _describe_bag(model, folder)
    except OSError as error:  # of files: those of the network are translated where they come in
        raise unwritable(folder, error, "free some space there or set STEMBRIDGE_DATA_DIR") from error
    return folder


def _fetch_file(url: str, target: Path, progress: Progress) -> None:
    """Fetch one file, checked, unless it is there already."""
    if target.is_file() and _is_published(target, target.name):
        progress.at(1.0)
        return
    part = target.with_name(target.name + ".part")
    for attempt in range(1, _ATTEMPTS + 1):
        had = _size(part)
        try:
            total = _fetch_rest(url, part, progress)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            if _size(part) > had and attempt < _ATTEMPTS:
                continue  # it moved on: the connection broke, the server is there
            raise _unreachable(url, target, error) from error
        if _size(part) >= total:
            break
        if attempt == _ATTEMPTS:
            raise EngineUnavailable(
                f"the connection broke off at {_size(part)} of {total} bytes of {target.name}: "
                "run the command again to go on from there"
            )
    if not _is_published(part, target.name):
        part.unlink()
        raise EngineUnavailable(f"what {url} sent has the wrong SHA-256 and was deleted: try again later")
    part.replace(target)
    progress.at(1.0)


#: What a full or unwritable disk says, as against a network that fails.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def _fetch_rest(url: str, part: Path, progress: Progress) -> int:
    """Append to `part` what it lacks of the file at `url`; returns the whole file's size in bytes."""
    got = _size(part)
    total = got

    def blocks() -> Iterator[tuple[int, int, bytes]]:
        """(where it belongs, the file's size, bytes), from a thread of its own."""
        request = urllib.request.Request(url, headers={"Range": f"bytes={got}-"} if got else {})  # noqa: S310 (the address is ours)
        try:
            reply = urllib.request.urlopen(request, timeout=_SILENCE_S)  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # nothing is missing
            raise
        with reply:
            at = got if reply.status == http.HTTPStatus.PARTIAL_CONTENT else 0  # 200: the server begins anew
            size = at + int(reply.headers.get("Content-Length") or 0)
            while block := reply.read(_BLOCK_BYTES):
                yield at, size, block
                at += len(block)

    try:
        with part.open("ab") as file:
            for at, total, block in while_waiting(blocks, progress):
                if at < file.tell():
                    file.truncate(at)
                file.write(block)
                progress.at((at + len(block)) / total if total else 0.0)
    finally:
        if not _size(part):
            part.unlink(missing_ok=True)  # nothing came: there is nothing to go on from
    return total


def _is_published(path: Path, name: str) -> bool:
    """Whether a file is what its published name says."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(expected_prefix(name))


def _size(path: Path) -> int:
    """Bytes in a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _describe_bag(model: Published, folder: Path) -> None:
    """Put demucs' description beside the files, so that ``demucs --repo`` can use the folder too."""
    description = resources.files("demucs") / "remote" / f"{model.name}.yaml"
    with description.open("rb") as source, (folder / f"{model.name}.yaml").open("wb") as copy:
        shutil.copyfileobj(source, copy)


def _unreachable(url: str, target: Path, error: Exception) -> EngineUnavailable:
    """The error for a server that does not give the file."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"the server answered {error.code}"
    else:
        cause = getattr(error, "reason", error)
        reason = f"no network ({getattr(cause, 'strerror', None) or cause})"
    return EngineUnavailable(f"{reason}: fetch {url} by other means and put it in {target.parent}")
