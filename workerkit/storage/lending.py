"""While a connection is lent to handlers nothing on it can end the transaction."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import SQLAlchemyError

from ..errors import SessionMisuse
from .session import LENT_SESSION

_LENT = "workerkit_lent"

_LOAN = "workerkit_loan"
"""Where a connection's `info` has its `Loan`, until it goes back to the pool."""

_IN_TRANSACTION = 2
"""libpq's PQTRANS_INTRANS."""

_BLANK = r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*"

_ENDS_TRANSACTION = re.compile(
    rf"(^|;){_BLANK}(COMMIT|END|ABORT|ROLLBACK|PREPARE\s+TRANSACTION)\b"
    r"(?!\s+((WORK|TRANSACTION)\s+)?TO\b)",
    re.I | re.S,
)


class Loan:
    """A connection lent to handlers; it works whatever they did to SQLAlchemy's view of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._info = connection.info
        self._driver: Any = connection.connection.driver_connection
        self._info[_LENT] = True
        self._info[_LOAN] = self
        self.lost: Exception | None = None
        """With what it was found to be gone, also when whoever saw that kept silent."""

    @property
    def valid(self) -> bool:
        """Whether it is still lent, in a transaction that can commit.

        SQLAlchemy's own rollback ends the loan, see `take_back`. PostgreSQL
        answers COMMIT of a transaction in which a statement failed with
        ROLLBACK, and no error: libpq knows, without a round trip.
        """
        if not self._info[_LENT]:
            return False
        if isinstance(self._driver, sqlite3.Connection):
            return self._driver.in_transaction
        return bool(self._driver.pgconn.transaction_status == _IN_TRANSACTION)

    def end(self) -> None:
        """Take the connection back, so that its transaction may end."""
        self._info[_LENT] = False

    def undo(self) -> None:
        """Take it back and roll back, for which SQLAlchemy may not see a reason any more."""
        self.end()
        try:
            self._driver.rollback()
        except Exception:  # closed: it must not go back to the pool
            with suppress(SQLAlchemyError):
                self._connection.invalidate()


def take_back(engine: Engine) -> None:
    """Let SQLAlchemy roll back, as it does after a failed flush: `Loan.valid` tells of it.

    A connection that a handler has closed goes back to the pool at once; who
    takes it out next must not meet the session that it was lent to.
    """

    def rollback(connection: Connection) -> None:
        connection.info[_LENT] = False

    def reset(dbapi_connection: object, record: Any, reset_state: object) -> None:
        record.info[_LENT] = False
        record.info.pop(LENT_SESSION, None)
        record.info.pop(_LOAN, None)

    def invalidate(dbapi_connection: object, record: Any, error: Exception | None) -> None:
        record.info[_LENT] = False
        loan = record.info.pop(_LOAN, None)
        if loan is not None:
            loan.lost = error

    event.listen(engine, "rollback", rollback)
    event.listen(engine, "reset", reset)
    event.listen(engine, "invalidate", invalidate)


def guard_sqlite(connection: sqlite3.Connection, info: dict[str, Any]) -> None:
    """Refuse on a new connection what ends a transaction while it is lent.

    SQLite asks when it prepares a statement, so this costs nothing per
    statement and sees raw SQL and the driver's own `commit` alike.
    """
    info[_LENT] = False

    def authorize(action: int, first: str | None, *_: object) -> int:
        ends = action == sqlite3.SQLITE_TRANSACTION and first in ("COMMIT", "ROLLBACK")
        return sqlite3.SQLITE_DENY if ends and info[_LENT] else sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)


def say_misuse(context: ExceptionContext) -> None:
    """SQLAlchemy's `handle_error`: name what SQLite did not authorize."""
    code = getattr(context.original_exception, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_AUTH:
        statement = (context.statement or "COMMIT").split(maxsplit=1)[0].upper()
        raise _misuse(statement) from context.original_exception


def guard_postgresql(engine: Engine) -> None:
    """Have *engine* make connections that refuse to end a transaction while they are lent."""
    import psycopg  # noqa: PLC0415

    class LentCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            if self.connection.lending[_LENT] and isinstance(query, str):  # type: ignore[attr-defined]
                word = ends_transaction(query)
                if word:
                    raise _misuse(word)
            return super().execute(query, *arguments, **options)

    class LentConnection(psycopg.Connection[Any]):
        lending: dict[str, Any] = {_LENT: False}  # noqa: RUF012 replaced by each connection

        def commit(self) -> None:
            self._refuse("COMMIT")
            super().commit()

        def rollback(self) -> None:
            self._refuse("ROLLBACK")
            super().rollback()

        def close(self) -> None:
            self._refuse("close")
            super().close()

        def _refuse(self, what: str) -> None:
            if self.lending[_LENT] and not self.broken:
                raise _misuse(what)

    def do_connect(dialect: object, record: object, cargs: Any, cparams: Any) -> Any:
        return LentConnection.connect(*cargs, cursor_factory=LentCursor, **cparams)

    def connected(connection: Any, record: Any) -> None:
        record.info[_LENT] = False
        connection.lending = record.info

    event.listen(engine, "do_connect", do_connect)
    event.listen(engine, "connect", connected)


@lru_cache(maxsize=1000)
def ends_transaction(sql: str) -> str:
    """The word in *sql* that ends a transaction, e.g. COMMIT; empty without one."""
    found = _ENDS_TRANSACTION.search(sql)
    return found.group(4).upper() if found else ""


def _misuse(what: str) -> SessionMisuse:
    return SessionMisuse(
        f"{what} ends a transaction that is not yours to end: raise to undo it, use "
        "session.begin_nested(), or in a job context.commit()"
    )
