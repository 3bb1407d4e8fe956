"""Where the daemon's log goes: a file of bounded size, and the terminal where there is one."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bridge.errors import OutputUnwritable

NAME = "stembridge.log"
#: 6 MB altogether: weeks of a busy daemon, and small enough to be sent by mail.
MAX_BYTES = 2 << 20
BACKUPS = 2

_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


@contextmanager
def logging_to(folder: Path, level: str, terminal: TextIO | None = None) -> Iterator[Path]:
    """Have the package's log written while the context lasts; gives the file.

    Parameters
    ----------
    folder
        Of the log files; made where missing.
    level
        ``debug``, ``info``, ``warning`` or ``error``.
    terminal
        Where the log is shown too; None for standard error where that is a terminal.

    Raises
    ------
    OutputUnwritable
        If the file can't be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise OutputUnwritable(f"cannot write the log {path}: {error.strerror or error}; make it writable") from error
    handlers: list[logging.Handler] = [file]
    shown = terminal or (sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None)
    if shown is not None:
        handlers.append(logging.StreamHandler(shown))
    root = logging.getLogger("bridge")
    before = root.level
    for handler in handlers:
        handler.setFormatter(_Safe(_FORMAT))
        root.addHandler(handler)
    root.setLevel(level.upper())
    try:
        yield path
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class _Safe(logging.Formatter):
    """Messages that hold what others sent can neither pass for other messages nor move a terminal's cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return "\n    ".join(map(_visible, super().formatMessage(record).splitlines()))


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
