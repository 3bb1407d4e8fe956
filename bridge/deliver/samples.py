"""Stems in the folder of a project."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bridge.progress import Progress

#: Copied between two looks at whether to stop: far less than a second's work of any disk.
BLOCK_BYTES = 1 << 22


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
