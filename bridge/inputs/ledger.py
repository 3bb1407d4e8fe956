"""Which recordings of watched folders were converted: a small database, so that nothing is done twice.

A recording is known by the SHA-256 of its bytes, within a *scope* (where results go): renamed, copied or touched it is
the same one. The files that were looked at are kept too, so that a start needn't read them all again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bridge.inputs.settle import Signature
from bridge.jobs.database import BUSY_TIMEOUT_S, Corrupt, Database

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
    costs time but loses nothing. All methods raise `StoreLocked` or `StoreUnwritable` when it can't be used just now.

    Parameters
    ----------
    path
        The database; it and its folder are made where missing.
    busy_timeout_s
        How long to wait for another process.

    Raises
    ------
    StoreUnusable
        If it can't be opened; not where it is locked just now.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._database = Database(path, "the list of watched recordings", _prepare, busy_timeout_s=busy_timeout_s)

    @property
    def problems(self) -> list[str]:
        """A sentence for each thing that went wrong with the database and that the user should know."""
        return list(self._database.problems)

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
        rows = self._rows("SELECT path FROM recordings WHERE job_id = ?", job_id)
        if rows:
            self._do("UPDATE recordings SET state = ? WHERE job_id = ?", state, job_id)
        return [Path(os.fsdecode(row[0])) for row in rows]

    def open_jobs(self) -> list[str]:
        """The jobs that have not ended, as far as is known here."""
        return sorted(row[0] for row in self._rows("SELECT DISTINCT job_id FROM recordings WHERE state = 'submitted'"))

    def failed_jobs(self) -> list[str]:
        """The jobs that failed last for a recording."""
        query = "SELECT DISTINCT job_id FROM recordings WHERE state = 'failed' AND job_id != ''"
        return sorted(row[0] for row in self._rows(query))

    def forget_job(self, job_id: str) -> None:
        """A job is not in the queue any more, and nobody knows how it ended: its recordings count as new."""

        def work(connection: sqlite3.Connection) -> None:
            query = "SELECT scope, sha256 FROM recordings WHERE job_id = ?"
            for known in connection.execute(query, (job_id,)).fetchall():
                connection.execute("DELETE FROM recordings WHERE scope = ? AND sha256 = ?", known)
                connection.execute("DELETE FROM files WHERE scope = ? AND sha256 = ?", known)

        self._database.write(work)

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

    def forget_others(self, scope: str, folder: Path, seen: Collection[Path]) -> None:
        """Forget that files of a folder were looked at, except those that are there: else they'd be kept for ever.

        What was converted stays known, by its content.
        """
        rows = self._rows("SELECT path FROM files WHERE scope = ?", scope)
        known = {Path(os.fsdecode(row[0])) for row in rows}
        gone = [path for path in known.difference(seen) if path.is_relative_to(folder)]
        if gone:
            values = [(scope, os.fsencode(path)) for path in gone]
            query = "DELETE FROM files WHERE scope = ? AND path = ?"
            self._database.write(lambda connection: connection.executemany(query, values))

    def close(self) -> None:
        """Close the database; nothing is lost without it."""
        self._database.close()

    def _row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self._rows(sql, *values)), None)

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.read(lambda connection: connection.execute(sql, values).fetchall())

    def _do(self, sql: str, *values: object) -> None:
        self._database.write(lambda connection: connection.execute(sql, values))


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where they are missing, and read one."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise Corrupt(f"it is of a newer version, {version}")
    if version < _VERSION:
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("SELECT count(*) FROM recordings").fetchone()


def _stored(signature: Signature) -> tuple[int, int, int]:
    return signature.size, signature.mtime_ns, signature.inode & _INODE_MASK
