"""How the broker and the database of a chaos run are broken: files are locked, servers cut off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import ConfigurationError
from .proxy import Proxy, Toxic

SLOW = Toxic(latency=0.05, jitter=0.03)
CUT = Toxic(down=True)


class Break(Protocol):
    """A broker or a database that can be broken; each ends with its `with` block."""

    def away(self) -> AbstractContextManager[None]:
        """Nobody reaches it, or can write to it."""

    def poisoned(self, toxic: Toxic) -> AbstractContextManager[None]:
        """*toxic* on the way to it; raises ConfigurationError where there is no way."""

    def flush(self, topic: str, group: str) -> list[bytes]:
        """Delete all that it has; the envelopes that *group* had not settled of *topic*.

        Raises:
            ConfigurationError: It is no server.
        """


@dataclass(frozen=True, slots=True)
class FileBreak:
    """A SQLite file: a lock keeps everybody from writing."""

    file: Path

    @contextmanager
    def away(self) -> Iterator[None]:
        """Hold the write lock."""
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=10)) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                db.execute("ROLLBACK")

    def poisoned(self, toxic: Toxic) -> AbstractContextManager[None]:
        """Refused: there is no network."""
        raise ConfigurationError(f"{self.file.name} is a file: there is no network to break")

    def flush(self, topic: str, group: str) -> list[bytes]:
        """Refused: its processes hold the file."""
        raise ConfigurationError(f"{self.file.name} is a file: it is not emptied by a command")


@dataclass(frozen=True, slots=True)
class ServerBreak:
    """A server behind a proxy; `emptied` is how it is flushed, None where it is not."""

    proxy: Proxy
    emptied: Callable[[str, str], list[bytes]] | None = None

    def away(self) -> AbstractContextManager[None]:
        """Cut every connection, and refuse new ones."""
        return self.proxy.poisoned(CUT)

    def poisoned(self, toxic: Toxic) -> AbstractContextManager[None]:
        """Have the proxy do it."""
        return self.proxy.poisoned(toxic)

    def flush(self, topic: str, group: str) -> list[bytes]:
        """Have the server do it."""
        if self.emptied is None:
            raise ConfigurationError(f"{self.proxy.name} is not emptied by a command")
        return self.emptied(topic, group)
