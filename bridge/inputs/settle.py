"""When a file is finished: nobody says so, hence it is when it has stopped changing."""

from __future__ import annotations

import heapq
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: A file that hasn't changed for so long is finished (s): copying and downloading write several times a second, and
#: watched folders are no place where a second matters.
SETTLE_S = 1.5
#: One that states that more is to come gets so long without a change before it is taken as it is (s).
PATIENCE_S = 60.0
#: What browsers, downloaders and office programs call a file that isn't finished, or isn't one.
_UNFINISHED = (
    ".part",
    ".partial",
    ".crdownload",
    ".opdownload",
    ".download",
    ".filepart",
    ".tmp",
    ".temp",
    ".!qb",
    ".!ut",
    ".aria2",
    ".bak",
)
#: How the names of our notes end, see `bridge.inputs.notes`.
NOTE_ENDING = ".stembridge-error.txt"


class Signature(NamedTuple):
    """What changes when a file does."""

    size: int
    mtime_ns: int
    inode: int


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden, temporary, half downloaded or a note of ours."""
    lower = name.lower()
    return lower.startswith((".", "~")) or lower.endswith(("~", *_UNFINISHED, NOTE_ENDING))


def signature_of(path: Path) -> Signature | None:
    """The signature of a regular file, or of the one that a link leads to; None for anything else, or nothing.

    Raises
    ------
    OSError
        If it can't be looked at, though it may be there.
    """
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110  (that one raises nothing)
            return None  # links that lead in a circle
        raise OSError(error.errno, error.strerror) from error
    if not stat.S_ISREG(facts.st_mode) or _is_hidden(facts):
        return None
    return Signature(facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _is_hidden(facts: os.stat_result) -> bool:
    """Whether the file system itself says hidden: an attribute on Windows, a flag on macOS."""
    if sys.platform == "win32":
        return bool(facts.st_file_attributes & stat.FILE_ATTRIBUTE_HIDDEN)
    return bool(getattr(facts, "st_flags", 0) & stat.UF_HIDDEN)


class Settling:
    """Files that may still be changing, each with the time of the next look at it.

    Not for several threads at once.

    Parameters
    ----------
    settle_s
        See `SETTLE_S`.
    look
        Gives the signature of a file, None where there is none.
    """

    def __init__(self, settle_s: float = SETTLE_S, look: Callable[[Path], Signature | None] = signature_of) -> None:
        self._settle_s = settle_s
        self._look = look
        self._due: dict[Path, float] = {}
        self._heap: list[tuple[float, Path]] = []
        self._seen: dict[Path, tuple[Signature, float]] = {}

    def __len__(self) -> int:
        return len(self._due)

    def touched(self, path: Path, now: float) -> None:
        """Something happened to a file: look at it at once if it is new here, else when it has been left in peace."""
        if path not in self._due:
            self._seen.pop(path, None)
            self.look_at(path, now)
        else:
            self.look_at(path, now + self._settle_s)

    def look_at(self, path: Path, when: float) -> None:
        """Look at a file then, instead of when it would have been."""
        self._due[path] = when
        heapq.heappush(self._heap, (when, path))

    def next_look(self) -> float | None:
        """When the next file is to be looked at; None without any."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # that look was put off, or came to nothing
        return self._heap[0][0] if self._heap else None

    def settled(self, now: float) -> tuple[Path, Signature, float] | None:
        """The next file that is due and has stopped changing, since when: then it is no longer kept here.

        Files that are due and have changed are put off; those that are gone are dropped.

        Raises
        ------
        OSError
            If a file can't be looked at; it is dropped, and is `filename` of the error.
        """
        while (when := self.next_look()) is not None and when <= now:
            path = heapq.heappop(self._heap)[1]
            del self._due[path]
            seen = self._seen.pop(path, None)
            try:
                signature = self._look(path)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
            if signature is None:
                continue
            if seen is not None and seen[0] == signature:
                return path, signature, seen[1]  # the next look was put that far off
            self.wait_on(path, signature, now, now + self._settle_s)
        return None

    def wait_on(self, path: Path, signature: Signature, since: float, when: float) -> None:
        """Go on watching a file that was settled but is not taken yet; look at it again `when`."""
        self._seen[path] = signature, since
        self.look_at(path, when)
