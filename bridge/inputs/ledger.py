"""Which recordings of watched folders were converted: a small database, so that nothing is done twice.

A recording is known by the SHA-256 of its bytes, within a *scope* (an output folder): renamed, copied or touched it is
the same one. The files that were looked at are kept too, so that a start needn't read them all again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bridge.inputs.settle import Signature

_log = logging.getLogger(__name__)

#: The database's name in the daemon's folder.
NAME = "watched.sqlite3"
#: Number of the tables below; an older daemon leaves a newer one's alone.
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS recordings (
    scope TEXT NOT NULL, sha256 TEXT NOT NULL, state TEXT NOT NULL, job_id TEXT NOT NULL, path BLOB NOT NULL,
    PRIMARY KEY (scope, sha256)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_job ON recordings (job_id);
CREATE TABLE IF NOT EXISTS files (
    scope TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL, PRIMARY KEY (scope, path)) WITHOUT ROWID;
"""
#: SQLite's integers have 64 bits with a sign; an inode has none.
_INODE_MASK = (1 << 63) - 1

State = Literal["submitted", "done", "failed"]


class Entry(NamedTuple):
    """What is known of a recording: how far it is, in which job, and where it lay."""

    state: State
    job_id: str
    path: Path


class Ledger:
    """The database. Its methods may be called from any thread.

    One that is corrupt, or a newer version's, is set aside: then all that is still in the folders counts as new, which
    costs time but loses nothing.

    Parameters
    ----------
    path
        The database; it and its folder are made where missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked or unwritable, not corrupt
            aside = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            path.replace(aside)
            _log.warning("%s can't be read (%s): set aside as %s", path, error, aside.name)
            self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def entry(self, scope: str, sha256: str) -> Entry | None:
        """What is known of a recording, or None."""
        row = self._row("SELECT state, job_id, path FROM recordings WHERE scope = ? AND sha256 = ?", scope, sha256)
        return None if row is None else Entry(row[0], row[1], Path(os.fsdecode(row[2])))

    def submitted(self, scope: str, sha256: str, job_id: str, path: Path) -> None:
        """A recording was handed to the queue."""
        self._do(
            "INSERT OR REPLACE INTO recordings VALUES (?, ?, 'submitted', ?, ?)",
            scope,
            sha256,
            job_id,
            os.fsencode(path),
        )

    def refused(self, scope: str, sha256: str, path: Path) -> None:
        """A recording failed before it could become a job."""
        self._do("INSERT OR REPLACE INTO recordings VALUES (?, ?, 'failed', '', ?)", scope, sha256, os.fsencode(path))

    def ended(self, job_id: str, state: State) -> list[Path]:
        """A job ended; gives where its recordings lie, none if it isn't one of ours."""
        with self._lock:
            rows = self._database.execute("SELECT path FROM recordings WHERE job_id = ?", (job_id,)).fetchall()
            self._database.execute("UPDATE recordings SET state = ? WHERE job_id = ?", (state, job_id))
        return [Path(os.fsdecode(row[0])) for row in rows]

    def open_jobs(self) -> list[str]:
        """The jobs that have not ended, as far as is known here."""
        with self._lock:
            rows = self._database.execute("SELECT DISTINCT job_id FROM recordings WHERE state = 'submitted'").fetchall()
        return sorted(row[0] for row in rows)

    def forget(self, scope: str, sha256: str) -> None:
        """A recording is to be converted again."""
        with self._lock:
            self._database.execute("DELETE FROM recordings WHERE scope = ? AND sha256 = ?", (scope, sha256))
            self._database.execute("DELETE FROM files WHERE scope = ? AND sha256 = ?", (scope, sha256))

    def forget_job(self, job_id: str) -> None:
        """A job is not in the queue any more, and nobody knows how it ended: its recordings count as new."""
        with self._lock:
            rows = self._database.execute("SELECT scope, sha256 FROM recordings WHERE job_id = ?", (job_id,)).fetchall()
        for scope, sha256 in rows:
            self.forget(scope, sha256)

    def sha256_of(self, scope: str, path: Path, signature: Signature) -> str | None:
        """The hash of a file that hasn't changed since it was looked at, empty if it was no audio; else None."""
        row = self._row(
            "SELECT sha256 FROM files WHERE scope = ? AND path = ? AND size = ? AND mtime_ns = ? AND inode = ?",
            scope,
            os.fsencode(path),
            *_stored(signature),
        )
        return None if row is None else str(row[0])

    def looked_at(self, scope: str, path: Path, signature: Signature, sha256: str) -> None:
        """A file was looked at; `sha256` is empty if it is no audio."""
        self._do(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
            scope,
            os.fsencode(path),
            *_stored(signature),
            sha256,
        )

    def close(self) -> None:
        """Close the database; nothing is lost without it."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._database.execute(sql, values).fetchone()
            return row

    def _do(self, sql: str, *values: object) -> None:
        with self._lock:
            self._database.execute(sql, values)


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables where they are missing, and read one."""
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it is of a newer version, {version}")
    database.executescript(_TABLES)
    database.execute(f"PRAGMA user_version = {_VERSION}")
    database.execute("SELECT count(*) FROM recordings").fetchone()


def _stored(signature: Signature) -> tuple[int, int, int]:
    return signature.size, signature.mtime_ns, signature.inode & _INODE_MASK
