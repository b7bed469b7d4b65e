"""Moves what SQLite has logged into its files, away from the threads that write."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from ..core.clock import Clock, SystemClock
from ..core.worker import BaseWorker


class Checkpointer(BaseWorker):
    """Checkpoints *files* every *period* seconds, on connections of its own.

    SQLite checkpoints inside of every thousandth page's commit and syncs the
    file there, which a handler's event waits for. A passive checkpoint waits
    for nobody; a log of 32 MB is still taken care of by the commit that fills it.
    """

    def __init__(
        self, name: str, files: Sequence[Path], period: float = 1.0, clock: Clock | None = None
    ) -> None:
        super().__init__(name)
        self.files = files
        self.period = period
        self.clock = clock or SystemClock()

    def work(self) -> None:
        """Checkpoint until stopped; a file that is busy or gone has its next turn."""
        sizes = dict.fromkeys(self.files, 0)
        while not self.clock.wait(self.stopping, self.period):
            for file in self.files:
                changed = _changed(file)
                if changed != sizes[file]:
                    sizes[file] = changed
                    checkpoint(file)


def checkpoint(file: Path) -> None:
    """One passive checkpoint; an error is left to those who read and write the file."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=0.1)) as connection:
        connection.execute("PRAGMA synchronous=NORMAL").close()
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()


def _changed(file: Path) -> int:
    """When the log was last written, in nanoseconds; 0 without one."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_mtime_ns
    except OSError:
        return 0
