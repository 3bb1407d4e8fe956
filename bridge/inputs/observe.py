"""What the operating system says of a folder: watchdog's observers, made again whenever the folder comes back."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_log = logging.getLogger(__name__)

#: How often a folder that sends no events is read (s).
POLL_S = 5.0
#: Errors that say that the system watches no more folders, though it could be read.
_NO_MORE_WATCHES = (errno.ENOSPC, errno.EMFILE, errno.ENFILE)


#: Events after which something is new at their path, or gone from there. Reading a file is none of them.
_AT_SOURCE = (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
)


class _Handler(FileSystemEventHandler):
    """Passes on the paths at which something may be new."""

    def __init__(self, tell: Callable[[Path], None]) -> None:
        self._tell = tell

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog in a thread of its own."""
        if isinstance(event, _AT_SOURCE):
            self._tell(Path(os.fsdecode(event.src_path)))
        if isinstance(event, FileMovedEvent | DirMovedEvent):
            self._tell(Path(os.fsdecode(event.dest_path)))


class FolderEye:
    """Watches one folder as long as it is there. Not for several threads at once.

    Parameters
    ----------
    folder
        The folder, or a link to one.
    recursive
        Whether folders in it are watched too.
    polling
        Whether to read it every `POLL_S`, for network drives, which send no events.
    tell
        Called with each path at which something may be new, in another thread, with `folder` as given at the front.
    """

    def __init__(self, folder: Path, *, recursive: bool, polling: bool, tell: Callable[[Path], None]) -> None:
        self._folder = folder
        self._recursive = recursive
        self._polling = polling
        self._tell = tell
        self._observer: BaseObserver | None = None
        self._watched: tuple[str, int, int] | None = None

    def look(self) -> bool:
        """Begin to watch the folder if it is new or another one than before; whether it is to be read from scratch.

        Raises
        ------
        OSError
            If the folder isn't there, or can't be watched.
        """
        try:
            real = os.path.realpath(self._folder)
            facts = os.stat(real)  # noqa: PTH116  (a str, for what follows)
            os.scandir(real).close()  # says now if it may not be read, and if it is no folder
        except OSError:
            self.close()
            raise
        found = (real, facts.st_dev, facts.st_ino)
        if found == self._watched and self._observer is not None and _is_at_work(self._observer):
            return False
        self.close()
        self._observer = self._observing(real)
        self._watched = found
        return True

    def close(self) -> None:
        """Watch it no more; it may be looked at again."""
        observer, self._observer, self._watched = self._observer, None, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _observing(self, real: str) -> BaseObserver:
        if not self._polling:
            from watchdog.observers import Observer

            try:
                return self._started(Observer(), real)
            except OSError as error:
                if error.errno not in _NO_MORE_WATCHES:
                    raise
                _log.warning("the system watches no more folders: %s is read every %g s instead", real, POLL_S)
        from watchdog.observers.polling import PollingObserver

        return self._started(PollingObserver(timeout=POLL_S), real)

    def _started(self, observer: BaseObserver, real: str) -> BaseObserver:
        def tell(path: Path) -> None:
            if path.is_relative_to(real):
                self._tell(self._folder / path.relative_to(real))

        observer.schedule(_Handler(tell), real, recursive=self._recursive)
        observer.start()
        return observer


def _is_at_work(observer: BaseObserver) -> bool:
    return observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)
