"""Stems as deliveries have them: in the folder of a project, or as much more on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.progress import Progress

#: Copied between two looks at whether to stop: far less than a second's work of any disk.
BLOCK_BYTES = 1 << 22


def check_room(what: str, stems: Iterable[Path], more_bytes: int, folder: Path) -> None:
    """See whether the disk of a folder has room for copies of stems and some bytes more, before any is made.

    Raises
    ------
    InvalidRequest
        If a stem is gone.
    OutputUnwritable
        If there is no room; `what` is said to need it.
    """
    try:
        needed = sum(stem.stat().st_size for stem in stems) + more_bytes
    except OSError as error:
        raise InvalidRequest(f"a stem cannot be read: {error.strerror}; convert the recording again") from error
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputUnwritable(
            f"{what} {needed / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB left; free some space"
        )


def share(source: Path, target: Path, progress: Progress) -> None:
    """Have a file in two places: as a second name where the file system knows such, else as a copy.

    Raises
    ------
    OSError
        If it can't be read or written.
    """
    progress.at(0.0)
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source, target)
        return
    copy(source, target, progress)


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy a file's content."""
    size = max(1, source.stat().st_size)
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(BLOCK_BYTES):
            written.write(block)
            progress.at(written.tell() / size)
