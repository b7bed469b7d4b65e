"""A fair queue between processes for the one write lock of a SQLite file."""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: SQLite's own busy wait decides
    fcntl = None  # type: ignore[assignment]

from ..errors import StorageError


class Turnstile:
    """Two file locks beside the database: one to wait at, one held while writing.

    SQLite lets whoever asks at the right moment write, which is the process
    that has just finished: of two busy ones the other got 9 % of the batches.
    Here the next writer waits inside the turnstile, and who has just written
    queues outside. The kernel drops both when a process dies.
    """

    def __init__(self, database: Path, patience: float = 5.0) -> None:
        self.path = database.with_name(f"{database.name}-turn")
        self.patience = patience
        self._gate: int | None = None
        self._inside: int | None = None

    def enter(self) -> None:
        """Wait for our turn; to be called by one thread at a time.

        Raises:
            StorageError: Another process writes for longer than *patience* seconds.
        """
        if fcntl is None:
            return
        if self._gate is None:
            self._gate = self._open("")
            self._inside = self._open("stile")
        assert self._inside is not None
        end = time.monotonic() + self.patience
        self._lock(self._gate, end)
        try:
            self._lock(self._inside, end)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Let the next one in; fine when we are not inside."""
        if self._inside is not None:
            fcntl.flock(self._inside, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close both files; idempotent."""
        for handle in (self._gate, self._inside):
            if handle is not None:
                os.close(handle)
        self._gate = self._inside = None

    def _open(self, suffix: str) -> int:
        try:
            return os.open(f"{self.path}{suffix}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StorageError(f"database lock {self.path}: {error.strerror}") from error

    def _lock(self, handle: int, end: float) -> None:
        """flock has no time-out, so it is polled; only one process polls for the inner lock."""
        pause = 0.0001
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StorageError(
                        f"database {self.path}: another process has been writing for "
                        f"{self.patience:g} s"
                    ) from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.002)
