"""A small SQLite database of the daemon's own, which outlives whatever happens to its file.

Corrupt, it is set aside and a new one begun. Locked or on a full disk, it refuses that one call; the next one tries
again, also where it couldn't even be opened.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bridge.jobs.refusals import StoreLocked, StoreUnusable, StoreUnwritable

#: How long a call waits for another process that is writing. Its own transactions take milliseconds.
BUSY_TIMEOUT_S = 0.5

#: SQLite's primary result codes (sqlite.org/rescode.html); Python names them only from 3.11 on, and not on all systems.
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _NOTADB = 5, 6, 8, 10, 11, 13, 26

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class Corrupt(sqlite3.DatabaseError):
    """The database isn't what it should be, whatever SQLite thinks of it."""

    sqlite_errorcode = _CORRUPT


class Database:
    """One file, with a write-ahead log. Its methods may be called from any thread.

    Parameters
    ----------
    path
        The file; it and its folder are made where missing.
    what
        What is in it, for messages: ``the jobs' database``.
    prepare
        Brings a connection that was just opened to the newest version. Raises `Corrupt` where it is to be set aside.
    clock
        The time of day, for the name of what is set aside.
    busy_timeout_s
        How long to wait for another process.

    Attributes
    ----------
    problems
        A sentence for each thing that went wrong and that the user should know.
    generation
        How many databases were begun anew because of corruption: a change says that what was kept may be gone.

    Raises
    ------
    StoreUnusable
        If it can't be opened, and not because it is locked or can't be written just now.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        prepare: Callable[[sqlite3.Connection], object],
        *,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self.path = path
        self.problems: list[str] = []
        self.generation = 0
        self._what = what
        self._prepare = prepare
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusable(f"cannot make {path.parent} for {what}: {error.strerror or error}") from error
        try:
            self.read(lambda connection: None)
        except (StoreLocked, StoreUnwritable) as error:
            self.tell(f"{error} (Stembridge itself keeps trying)")

    def close(self) -> None:
        """Close it; nothing can be read or written any more."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def read(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What `work` gives; done again with a new database where this one turns out to be corrupt.

        Raises
        ------
        StoreLocked, StoreUnwritable
            If another process holds it for longer than `busy_timeout_s`, or the disk is full or the file read-only.
            Nothing is changed then.
        StoreUnusable
            If it can't be used at all.
        """
        with self._lock:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not _is_corruption(error):
                    raise refusal(error, self.path) from error
                self._set_aside(error)
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                raise refusal(error, self.path) from error

    def write(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What `work` gives, in a transaction that has reached the disk when this returns; raises as `read` does."""
        return self.read(lambda connection: _in_transaction(connection, work))

    def tell(self, problem: str) -> None:
        """Note a problem that the user should know, once."""
        if problem not in self.problems:
            self.problems.append(problem)
        _log.warning(problem)

    def _opened(self) -> sqlite3.Connection:
        """The connection, opened where there is none: at first, and where the last attempt failed."""
        if self._is_closed:
            raise StoreUnusable(f"{self.path} was closed")
        if self._connection is None:
            connection = sqlite3.connect(
                self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
            )
            try:
                _check(connection)
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _set_aside(self, reason: sqlite3.DatabaseError) -> None:
        """Move the corrupt database away, with the files that belong to it; the next call makes a new one."""
        self._disconnect()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._clock()))
        aside = _unused(self.path.with_name(f"{self.path.name}.corrupt-{stamp}"))
        try:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        except OSError as error:
            raise StoreUnusable(
                f"{self.path} is corrupt ({reason}) and can't be moved away: {error.strerror or error}"
            ) from error
        self.generation += 1
        why = " ".join(str(reason).split())
        self.tell(f"{self._what} was corrupt ({why}); it was set aside as {aside}, and a new one begun")


def refusal(error: sqlite3.DatabaseError, path: Path) -> StoreLocked | StoreUnwritable | StoreUnusable:
    """What an error of SQLite means for who asked."""
    code = _code(error)
    if code in (_BUSY, _LOCKED):
        return StoreLocked(f"another program holds {path}; close it, then try again")
    if code in (_FULL, _IOERR):
        return StoreUnwritable(f"cannot write {path} ({error}): free some space on its disk, then try again")
    if code == _READONLY:
        return StoreUnwritable(f"cannot write {path} ({error}): make it and its folder writable")
    if _is_corruption(error):
        return StoreUnusable(
            f"{path} is corrupt ({error}): start Stembridge (stembridge serve), which sets it aside and begins anew"
        )
    return StoreUnusable(f"cannot use {path} ({error}): make it and its folder readable and writable")


def _check(connection: sqlite3.Connection) -> None:
    """Set a new connection up, and have SQLite look for damage."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Corrupt(str(found))


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    connection.execute("BEGIN IMMEDIATE")
    try:
        answer = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # the error that counts is the first
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return answer


def _is_corruption(error: sqlite3.DatabaseError) -> bool:
    return _code(error) in (_CORRUPT, _NOTADB)


def _code(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary result code; 0 where the error isn't SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _unused(path: Path) -> Path:
    """The path, or one numbered from 2 where something is there."""
    candidate, number = path, 1
    while any(Path(f"{candidate}{suffix}").exists() for suffix in ("", "-wal", "-shm")):
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
