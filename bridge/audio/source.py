"""The file that the user handed over: is it one at all, what is it called, which bytes does it hold."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from bridge.disk import printable
from bridge.errors import AudioUnreadable
from bridge.progress import Progress

#: Read at once when hashing: large enough for full disk speed, a few milliseconds of work between two checks.
_HASH_BYTES = 1 << 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def shown_name(path: Path) -> str:
    """The name of a file as one printable line: control characters and undecodable bytes become escapes."""
    return printable(path.name or path)


def check_source(path: Path) -> None:
    """Make sure that `path` is a regular, non-empty file before anything opens it (opening a named pipe would hang).

    Raises
    ------
    AudioUnreadable
        With one line that says what it is instead.
    """
    name = shown_name(path)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        what = "is a link to a file that does not exist" if path.is_symlink() else "does not exist: check the path"
        raise AudioUnreadable(f"{name} {what}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise AudioUnreadable(f"{name} can't be opened: {_reason(error)}") from error
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise AudioUnreadable(f"{name} is {kind}, not an audio file: give an audio file")
    if not stat.S_ISREG(found.st_mode):
        raise AudioUnreadable(f"{name} is not a regular file: give an audio file")
    if found.st_size == 0:
        raise AudioUnreadable(f"{name} is empty (0 bytes): export it again")
    try:
        path.open("rb").close()
    except OSError as error:
        raise AudioUnreadable(f"{name} can't be opened: {_reason(error)}") from error


def file_sha256(path: Path, progress: Progress) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks.

    Raises
    ------
    AudioUnreadable
        The file is missing, no regular file, empty, or can't be read.
    """
    check_source(path)
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while block := file.read(_HASH_BYTES):
                digest.update(block)
                progress.at(file.tell() / max(size, 1))
    except OSError as error:
        raise AudioUnreadable(f"{shown_name(path)} can't be read: {_reason(error)}") from error
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
