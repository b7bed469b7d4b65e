"""Engines for a service's database, and the one lock that its SQLite writers queue on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..core.files import SameFile
from ..errors import ConfigurationError, StorageError
from . import tables
from .lending import guard_postgresql, guard_sqlite, say_misuse, take_back
from .session import LENT_SESSION
from .turnstile import Turnstile

VERSION = 3
"""Version of our tables that this release reads and writes."""

_MIGRATIONS = {
    2: ("ALTER TABLE workerkit_inbox ADD COLUMN attempts INTEGER DEFAULT 0 NOT NULL",),
}
"""What leads to a version from the one before; new tables come by themselves."""


class Database:
    """A service's database.

    SQLite: WAL, `synchronous=NORMAL` (survives a killed process, not a power
    cut); our writers queue in `writing`, never on SQLite's busy wait. Readers
    have connections of their own: a connection whose file another one has
    changed drops its page cache, and writers taking turns would each read it anew.
    PostgreSQL: a transaction left idle for *idle_timeout* seconds is ended by
    the server, so that a frozen process holds no locks for ever.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        idle_timeout: float = 30.0,
    ) -> None:
        self.synchronous = synchronous
        self.idle_timeout = idle_timeout
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
        self._lock = threading.Lock()
        self._turnstile = Turnstile(self.file) if self.file else None
        self._same = SameFile(self.file, "database") if self.file else None
        self.engine = self._open_engine()
        self._readers = self._open_engine() if self.file else self.engine

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None in memory, and on a server."""
        name = self.url.database if self.sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def upgrade(self, migrate: Callable[[Connection], None] | None = None) -> tuple[int, int]:
        """Create or migrate our tables under a lock; return the versions before and after.

        *migrate* brings the service's own tables up to date in the same transaction.

        Raises:
            StorageError: The database cannot be reached or written.
            ConfigurationError: It was written by a newer workerkit.
        """
        try:
            with self.writing(), self.engine.begin() as connection:
                if not self.sqlite:
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7021904)")
                before = current_version(connection)
                if before > VERSION:
                    raise ConfigurationError(
                        f"{self.shown} has tables of version {before}, this workerkit knows "
                        f"{VERSION}: upgrade workerkit"
                    )
                if before < VERSION:
                    _bring_up(connection, before)
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
            with self._readers.connect().execution_options(**options) as connection:
                yield Session(connection)
        except DBAPIError as error:
            if is_trouble(error):
                raise storage_error(error, self) from error
            raise

    @contextmanager
    def read_ours(self) -> Iterator[Session]:
        """As `read`, for our own tables: whatever the database says is a StorageError."""
        try:
            with self.read() as session:
                yield session
        except SQLAlchemyError as error:
            raise storage_error(error, self) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A short write transaction of our own; commits at the end of the block.

        Raises:
            StorageError: The database did not take it.
        """
        try:
            with self.writing(), self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise storage_error(error, self) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Our turn to write; see `take_turn`."""
        self.take_turn()
        try:
            yield
        finally:
            self.end_turn()

    def take_turn(self) -> None:
        """Wait until no other of our threads or processes writes; nothing on PostgreSQL.

        Raises:
            StorageError: Another process has been writing for too long.
        """
        if not self.sqlite:
            return
        self._lock.acquire()
        if self._turnstile is not None and self._same is not None:
            try:
                self._same.check()
                self._turnstile.enter()
            except BaseException:
                self._lock.release()
                raise

    def end_turn(self) -> None:
        """Let the next writer in."""
        if not self.sqlite:
            return
        if self._turnstile is not None:
            self._turnstile.leave()
        self._lock.release()

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()
        self._readers.dispose()
        if self._turnstile is not None:
            self._turnstile.close()

    def _open_engine(self) -> Engine:
        if not self.sqlite:
            idle = f"-c idle_in_transaction_session_timeout={int(self.idle_timeout * 1000)}"
            engine = create_engine(
                self.url, pool_pre_ping=True, max_overflow=-1, connect_args={"options": idle}
            )
            guard_postgresql(engine)
            take_back(engine)
            event.listen(engine, "before_cursor_execute", _before_execute)
            return engine
        if self.file:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"database {self.shown}: {error}") from error
        engine = create_engine(
            self.url, max_overflow=-1, connect_args={"check_same_thread": False, "timeout": 5.0}
        )
        event.listen(engine, "connect", self._set_up_sqlite)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", say_misuse)
        take_back(engine)
        event.listen(engine, "before_cursor_execute", _before_execute)
        return engine

    def _set_up_sqlite(self, connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={self.synchronous}",
            "foreign_keys=ON",
            "cache_size=-16000",
            "temp_store=MEMORY",
            "wal_autocheckpoint=8000",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        guard_sqlite(connection, record.info)


def _bring_up(connection: Connection, before: int) -> None:
    if before:
        for version in range(before + 1, VERSION + 1):
            for statement in _MIGRATIONS.get(version, ()):
                connection.exec_driver_sql(statement)
    tables.metadata.create_all(connection)
    connection.execute(tables.version.delete())
    connection.execute(tables.version.insert().values(version=VERSION))


def current_version(connection: Connection) -> int:
    """Version of our tables in a database; 0 when there are none."""
    if not connection.dialect.has_table(connection, tables.version.name):
        return 0
    return connection.scalar(select(tables.version.c.version)) or 0


def storage_error(error: Exception, database: Database) -> StorageError:
    """Say in one line what the database answered, and which one it was."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return StorageError(f"database {database.shown}: {text}")


_SQLITE_TROUBLE = {5, 6, 7, 8, 10, 11, 13, 14, 26}
"""Primary result codes: busy, locked, memory, read-only, I/O, corrupt, full, cannot open, no db."""

_POSTGRES_TROUBLE = ("08", "40", "53", "57", "58", "25006", "25P03", "55P03")
"""SQLSTATE prefixes: connection, serialization, resources, operator, system, read-only, idle."""


_CANCELED = "57014"
"""query_canceled: a statement_timeout that somebody has set, or a cancel that somebody sent."""


def is_trouble(error: Exception) -> bool:
    """Whether the server or file is at fault, rather than the statement.

    *error* is SQLAlchemy's or the driver's own. Codes: sqlite.org/rescode.html;
    PostgreSQL manual, appendix A.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_TROUBLE
    state = getattr(cause, "sqlstate", None)
    return state is not None and state != _CANCELED and state.startswith(_POSTGRES_TROUBLE)


def _before_execute(conn: Connection, *_: object) -> None:
    session = conn.info.get(LENT_SESSION)
    if session is not None:
        session.before_execute()


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("workerkit_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
