"""SQLite's files: whether an open one is still what its name leads to, and how it keeps a log."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from ..errors import StorageError


class SameFile:
    """Remembers which file *path* was; SQLite goes on writing to one that was deleted."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Costs one stat.

        Raises:
            StorageError: The file is gone, or another one is in its place.
        """
        try:
            found = self.path.stat()
        except OSError:
            if self._identity is None:
                return
            raise StorageError(f"{self.what} {self.path}: the file is gone") from None
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise StorageError(f"{self.what} {self.path}: another file is in its place; restart")


def use_wal(db: sqlite3.Connection, patience: float = 5.0) -> None:
    """Put the file of *db* into WAL mode, which it keeps.

    SQLite's busy wait does not cover this step: of several processes that
    make a new file at once, all but one would fail.

    Raises:
        sqlite3.Error: It cannot be written, or was locked for *patience* seconds.
    """
    end = time.monotonic() + patience
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > end:
                raise
        time.sleep(0.005)
