"""The database's schema, as the steps by which it came about. Steps that were ever released are never changed."""

from __future__ import annotations

import sqlite3

#: Step n brings a database from version n to n + 1. Several statements in a step are kept apart by blank lines.
STEPS: tuple[str, ...] = (
    # 0 -> 1. Text that may hold a file name (spec, result, insert_path, error_text) is ASCII JSON: SQLite's text is
    # UTF-8, which has no place for file names that aren't.
    """
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        origin TEXT NOT NULL,
        priority INTEGER NOT NULL,
        spec TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        attempts INTEGER NOT NULL,
        result TEXT,
        insert_path TEXT,
        error_code TEXT NOT NULL,
        error_text TEXT NOT NULL,
        created_s REAL NOT NULL,
        started_s REAL,
        ended_s REAL,
        CHECK ((ended_s IS NULL) = (state IN ('queued', 'running')))
    )

    CREATE INDEX jobs_by_end ON jobs (ended_s) WHERE ended_s IS NOT NULL
    """,
    # 1 -> 2. How far a running job is, for those who look from another process.
    """
    ALTER TABLE jobs ADD COLUMN stage TEXT NOT NULL DEFAULT ''

    ALTER TABLE jobs ADD COLUMN fraction REAL NOT NULL DEFAULT 0.0

    CREATE INDEX jobs_at_work ON jobs (seq) WHERE ended_s IS NULL
    """,
)
VERSION = len(STEPS)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a database; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, steps: tuple[str, ...] = STEPS) -> int:
    """Bring a database to the newest version, all of the way or not at all; the version it had."""
    before = version_of(connection)
    if before >= len(steps):
        return before
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = version_of(connection)  # another process may have been quicker
        for step in steps[before:]:
            for statement in step.split("\n\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return before
