"""Engines for a service's database, and the one lock that its SQLite writers queue on."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..errors import ConfigurationError, SessionMisuse, StorageError
from . import tables

_ENDS_TRANSACTION = re.compile(
    r"\s*(COMMIT|END|ABORT|ROLLBACK)\b(?!\s+(WORK\s+|TRANSACTION\s+)?TO\b)", re.I
)

VERSION = 1
"""Version of our tables that this release reads and writes."""


class Database:
    """A service's database.

    SQLite: WAL, `synchronous=NORMAL` (survives a killed process, not a power
    cut), writers of one process queue on `lock`, never on SQLite's busy wait.
    """

    def __init__(self, url: str, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> None:
        self.synchronous = synchronous
        try:
            self.url = make_url(url)
        except ArgumentError:
            raise ConfigurationError(
                "the database URL cannot be read; "
                "an example: sqlite:///pricing.db or postgresql://user@host/name"
            ) from None
        if self.url.drivername in ("postgres", "postgresql"):
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.lock = threading.RLock()
        self.engine = self._open_engine()

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def upgrade(self, migrate: Callable[[Connection], None] | None = None) -> tuple[int, int]:
        """Create or migrate our tables under a lock; return the versions before and after.

        *migrate* brings the service's own tables up to date in the same transaction.

        Raises:
            StorageError: The database cannot be reached or written.
            ConfigurationError: It was written by a newer workerkit.
        """
        try:
            with self.lock, self.engine.begin() as connection:
                if not self.sqlite:
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7021904)")
                before = current_version(connection)
                if before > VERSION:
                    raise ConfigurationError(
                        f"{self.shown} has tables of version {before}, this workerkit knows "
                        f"{VERSION}: upgrade workerkit"
                    )
                if before < VERSION:
                    tables.metadata.create_all(connection)
                    connection.execute(tables.version.delete())
                    connection.execute(tables.version.insert().values(version=VERSION))
                if migrate is not None:
                    migrate(connection)
                return before, VERSION
        except SQLAlchemyError as error:
            raise storage_error(error, self) from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one snapshot that takes no write lock; nothing in it is committed.

        Raises:
            StorageError: The database cannot be reached.
        """
        options = {"workerkit_read": True} if self.sqlite else {"postgresql_readonly": True}
        try:
            with self.engine.connect().execution_options(**options) as connection:
                yield Session(connection)
        except DBAPIError as error:
            if is_trouble(error):
                raise storage_error(error, self) from error
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A short write transaction of our own; commits at the end of the block.

        Raises:
            StorageError: The database did not take it.
        """
        try:
            with self.lock, self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise storage_error(error, self) from error

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()

    def _open_engine(self) -> Engine:
        if not self.sqlite:
            engine = create_engine(self.url, pool_pre_ping=True)
            event.listen(engine, "before_cursor_execute", _refuse_ending)
            return engine
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self.url, connect_args={"check_same_thread": False, "timeout": 5.0})
        event.listen(engine, "connect", self._set_up_sqlite)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "before_cursor_execute", _refuse_ending)
        return engine

    def _set_up_sqlite(self, connection: Any, record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={self.synchronous}",
            "foreign_keys=ON",
            "cache_size=-16000",
        ):
            connection.execute(f"PRAGMA {pragma}").close()


def current_version(connection: Connection) -> int:
    """Version of our tables in a database; 0 when there are none."""
    if not connection.dialect.has_table(connection, tables.version.name):
        return 0
    return connection.scalar(select(tables.version.c.version)) or 0


def storage_error(error: SQLAlchemyError, database: Database) -> StorageError:
    """Say in one line what the database answered, and which one it was."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return StorageError(f"database {database.shown}: {text}")


_SQLITE_TROUBLE = {5, 6, 7, 8, 10, 11, 13, 14, 26}
"""Primary result codes: busy, locked, memory, read-only, I/O, corrupt, full, cannot open, no db."""

_POSTGRES_TROUBLE = ("08", "40", "53", "57", "58", "25006", "25P03", "55P03")
"""SQLSTATE prefixes: connection, serialization, resources, operator, system, read-only, idle."""


def is_trouble(error: DBAPIError) -> bool:
    """Whether the server or file is at fault, rather than the statement.

    Codes: sqlite.org/rescode.html; PostgreSQL manual, appendix A.
    """
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_TROUBLE
    state = getattr(error.orig, "sqlstate", None)
    return state is not None and state.startswith(_POSTGRES_TROUBLE)


def _refuse_ending(
    conn: object, cursor: object, statement: str, params: object, context: object, many: bool
) -> None:
    """A COMMIT or ROLLBACK in SQL would end the transaction of a whole batch."""
    if statement[:1] in "cCrReE \n" and _ENDS_TRANSACTION.match(statement):
        raise SessionMisuse(
            f"{statement.split(maxsplit=1)[0].upper()} ends a transaction that is shared "
            "with other events: raise to undo this one, or use session.begin_nested()"
        )


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("workerkit_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
