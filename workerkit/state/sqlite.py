"""State in a SQLite file that all processes of a project share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import orjson

from ..core.clock import Clock, SystemClock
from ..core.files import SameFile, use_wal
from ..core.state import FORGOTTEN, Lease, Member
from ..errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    id TEXT PRIMARY KEY, service TEXT NOT NULL, mode TEXT NOT NULL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, port INTEGER NOT NULL, started REAL NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cache (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cache_until ON cache (until);
"""

_ACQUIRE = """
INSERT INTO leases VALUES (?1, ?2, ?3 + 1, ?4) ON CONFLICT (name) DO UPDATE
SET holder = ?2, token = max(token, ?3) + 1, until = ?4 WHERE until <= ?5
RETURNING token
"""

_CACHED = """
SELECT key, value FROM cache WHERE until > ? AND key IN (SELECT value FROM json_each(?))
"""

_CACHE = """
INSERT OR REPLACE INTO cache SELECT value ->> 0, value ->> 1, ?2 FROM json_each(?1)
"""

_HELD = "name = ? AND holder = ? AND token = ?"


class SqliteState:
    """See `core.state.State`; every call is one statement, and so one transaction.

    The file is opened at the first call, and anew when another one is in its place.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file = SameFile(path, "state")

    def acquire(self, name: str, holder: str, seconds: float, above: int = 0) -> Lease | None:
        """The lease on *name*, unless somebody has it."""
        now = self.clock.time()
        rows = self._run(_ACQUIRE, (name, holder, above, now + seconds, now))
        return Lease(name, holder, rows[0][0]) if rows else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* longer."""
        query = f"UPDATE leases SET until = ? WHERE {_HELD} RETURNING token"
        until = self.clock.time() + seconds
        return bool(self._run(query, (until, lease.name, lease.holder, lease.token)))

    def release(self, lease: Lease) -> None:
        """Let another have it."""
        query = f"UPDATE leases SET until = 0, holder = '' WHERE {_HELD}"
        self._run(query, (lease.name, lease.holder, lease.token))

    def announce(self, member: Member, seconds: float) -> None:
        """Say that *member* runs."""
        now = self.clock.time()
        row = (*astuple(member)[:-1], now + seconds)
        self._run("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def withdraw(self, id: str) -> None:
        """Forget member *id*, and those that were lost long ago."""
        oldest = self.clock.time() - FORGOTTEN
        self._run("DELETE FROM members WHERE id = ? OR until <= ?", (id, oldest))

    def members(self) -> list[Member]:
        """Who runs, and who was lost lately."""
        oldest = self.clock.time() - FORGOTTEN
        query = "SELECT * FROM members WHERE until > ? ORDER BY service, mode, started"
        return [Member(*row) for row in self._run(query, (oldest,))]

    def cached(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is in the cache."""
        wanted = orjson.dumps(list(keys)).decode()
        rows = self._run(_CACHED, (self.clock.time(), wanted))
        return {key: value.encode() for key, value in rows}

    def cache(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep *values*, and forget what has expired."""
        now = self.clock.time()
        rows = orjson.dumps([(key, value.decode()) for key, value in values.items()]).decode()
        self._run("DELETE FROM cache WHERE until <= ?", (now,))
        self._run(_CACHE, (rows, now + seconds))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._disconnect()

    def _run(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connected().execute(statement, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                raise StorageError(f"state {self.path}: {error}") from error

    def _connected(self) -> sqlite3.Connection:
        try:
            self._file.check()
        except StorageError:  # deleted: who goes on with it would not see the others
            self._disconnect()
        if self._db is None:
            self._db = self._connect()
            self._file = SameFile(self.path, "state")
            self._file.check()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            use_wal(db)
            db.execute("PRAGMA synchronous=NORMAL").close()
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
