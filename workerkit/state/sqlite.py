"""State in a SQLite file that all processes of a project share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ..core.clock import Clock, SystemClock
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
"""

_ACQUIRE = """
INSERT INTO leases VALUES (?, ?, 1, ?) ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, token = token + 1, until = excluded.until WHERE until <= ?
RETURNING token
"""


class SqliteState:
    """See `core.state.State`; every call is one statement, and so one transaction."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=5.0
            )
            self._db.execute("PRAGMA journal_mode=WAL").close()
            self._db.execute("PRAGMA synchronous=NORMAL").close()
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"state {path}: {error}") from error

    def acquire(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease on *name*, unless somebody has it."""
        now = self.clock.time()
        rows = self._run(_ACQUIRE, (name, holder, now + seconds, now))
        return Lease(name, holder, rows[0][0]) if rows else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* longer."""
        return self._hold(lease, self.clock.time() + seconds)

    def release(self, lease: Lease) -> None:
        """Let another have it."""
        self._hold(lease, 0.0)

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

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _hold(self, lease: Lease, until: float) -> bool:
        query = "UPDATE leases SET until = ? WHERE name = ? AND token = ? RETURNING token"
        return bool(self._run(query, (until, lease.name, lease.token)))

    def _run(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StorageError(f"state {self.path}: {error}") from error
