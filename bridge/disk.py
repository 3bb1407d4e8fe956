"""Files of Stembridge's own: how they appear whole, and how a path or the system's refusal is said in one line."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from bridge.errors import OutputUnwritable

#: What to do about an error of the operating system.
_ADVICE = {
    errno.ENOSPC: "free some space or use another folder",
    errno.EDQUOT: "free some space or use another folder",
    errno.EFBIG: "the file system or a limit allows no file that large; use another folder",
    errno.EROFS: "use another folder",
    errno.EACCES: "close programs that use it, or use a folder that you may write to",
    errno.EPERM: "use a folder that you may write to",
    errno.ENAMETOOLONG: "rename the recording, or use another folder",
    errno.ENOTDIR: "a file is in the way; use another folder",
    errno.EEXIST: "something is in the way; use another folder",
}


def printable(text: object) -> str:
    """A path, or anything, for a message of one line: what can't be shown is escaped."""
    shown = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in shown
    )


def is_full(error: OSError) -> bool:
    """Whether there is no room left, on the disk or for this user."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def unwritable(path: Path, error: Exception, advice: str = "") -> OutputUnwritable:
    """A refusal to write `path`, in one line that says what to do.

    Parameters
    ----------
    path
        The file or folder.
    error
        The operating system's, or that of a library which has hidden it.
    advice
        What to do; by default what helps with the files of a result.
    """
    number = getattr(error, "errno", None) or 0
    reason = getattr(error, "strerror", None) or str(error) or "the disk may be full"
    todo = advice or _ADVICE.get(number, "free some space or use another folder")
    return OutputUnwritable(f"cannot write {printable(path)}: {printable(reason)}; {todo}")


def nearest(folder: Path) -> Path | None:
    """The folder, or the nearest one above it that is there and may be seen; None where its drive isn't there."""
    for path in (folder, *folder.parents):
        with contextlib.suppress(OSError):  # not there, or in a folder that may not be looked into
            path.stat()
            return path
    return None


def why_closed(folder: Path) -> str:
    """Why nothing can be put into a folder that is there, or is to be made; empty if something can."""
    there = nearest(folder)
    if there is None:
        return "its drive isn't there"
    if not there.is_dir():
        return f"{printable(there)} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{printable(there)} can't be written to"


def write_whole(path: Path, data: bytes) -> None:
    """Put data in the place of a file, whole or not at all, also after a power cut; its folder must exist.

    Raises
    ------
    OSError
        If that can't be done; what was there is then as it was.
    """
    making = path.with_name(f".stembridge-{secrets.token_hex(8)}")  # however long its own name, this one fits
    try:
        with making.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        making.replace(path)
    finally:
        making.unlink(missing_ok=True)
