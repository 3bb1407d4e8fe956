"""Where the daemon's log goes: a file of bounded size. What goes wrong with it disturbs nothing else."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from bridge.disk import is_full, unwritable

NAME = "stembridge.log"
#: 6 MB altogether: weeks of a busy daemon, and small enough to be sent by mail.
MAX_BYTES = 2 << 20
BACKUPS = 2
#: How often it is said at most that the log can't be written.
COMPLAIN_EVERY_S = 3600.0

_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
_log = logging.getLogger(__name__)


@contextmanager
def logging_to(folder: Path, level: str, greeting: str, complain: Callable[[str], None]) -> Iterator[Path]:
    """Have the package's log written while the context lasts; gives the file.

    What breaks a thread is logged too.

    Parameters
    ----------
    folder
        Of the log files; made where missing.
    level
        ``debug``, ``info``, ``warning`` or ``error``.
    greeting
        The first message, whatever the level: that it can be written shows that others can.
    complain
        Told now and then, in a line, that the log can't be written any more.

    Raises
    ------
    OutputUnwritable
        If the file can't be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _LogFile(path, complain)
        file.begin(greeting)
    except OSError as error:
        advice = "free some space on its disk" if is_full(error) else "make this log writable"
        raise unwritable(path, error, advice) from error
    root = logging.getLogger("bridge")
    before, hook = root.level, threading.excepthook
    root.addHandler(file)
    root.setLevel(level.upper())
    threading.excepthook = _log_broken_thread
    try:
        yield path
    finally:
        threading.excepthook = hook
        root.setLevel(before)
        root.removeHandler(file)
        file.close()


class _LogFile(logging.handlers.RotatingFileHandler):
    """The file. One that is gone is made again; where that fails, messages are lost, and `complain` is told."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(_Safe(_FORMAT))
        self._path = path
        self._complain = complain
        self._complained_s = float("-inf")
        self._raises = False

    def begin(self, greeting: str) -> None:
        """Write the first message, or raise."""
        self._raises = True
        try:
            self.emit(logging.LogRecord(__name__, logging.INFO, __file__, 0, greeting, None, None))
        finally:
            self._raises = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_gone():
            self._drop()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        self._drop()  # with what it could not write
        if self._raises:
            raise
        now_s = time.monotonic()
        if now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            with contextlib.suppress(Exception):  # whoever listened is gone
                self._complain(f"Note: the log {self._path} can't be written ({reason}); all else goes on")

    def _open(self) -> TextIOWrapper:
        with contextlib.suppress(OSError):
            # Not those above it: who made them saw to their permissions.
            Path(self.baseFilename).parent.mkdir()
        return super()._open()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()

    def _is_gone(self) -> bool:
        """Whether the file that is written to isn't the one of that name any more."""
        if self.stream is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self.stream.fileno()), self._path.stat())
        except OSError:
            return True

    def _drop(self) -> None:
        """Let go of the file; the next message opens it anew."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _log_broken_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else "?"
    error = args.exc_value or args.exc_type()
    _log.critical("the thread %s broke down", name, exc_info=error)


class _Safe(logging.Formatter):
    """Messages that hold what others sent can neither pass for other messages nor move a terminal's cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return "\n    ".join(map(_visible, super().formatMessage(record).splitlines()))


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
