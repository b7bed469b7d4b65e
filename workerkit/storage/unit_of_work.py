"""One transaction that holds inbox rows, handlers' effects, outbox and parked rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex
from typing import cast

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import PendingRollbackError, ResourceClosedError, SQLAlchemyError

from ..errors import LeaseLost, SessionMisuse, StorageError, WorkerkitError
from ..events.store import ParkedEvent
from ..events.transport import Message
from . import tables
from .database import Database, is_trouble, storage_error
from .lending import Loan
from .session import LentSession, Mark

_EVENT = f"workerkit_{token_hex(4)}"
"""The savepoint around a handler, under a name that no statement of its own can hit."""

_NEW_ROWS = """
INSERT OR IGNORE INTO workerkit_inbox (consumer, source, id, state, at)
SELECT ?1, value ->> 0, value ->> 1, 'applied', ?2 FROM json_each(?3)
RETURNING source, id
"""


class SqlUnitOfWork:
    """See `events.store.UnitOfWork`. Not for use by two threads at once."""

    def __init__(self, database: Database, sent: list[int], outbox_lease: float) -> None:
        self.database = database
        self.outbox_id: int | None = None
        self._sent = sent
        self._outbox_lease = outbox_lease
        self._session: LentSession | None = None
        self._connection: Connection | None = None
        self._loan: Loan | None = None
        self._raw: sqlite3.Cursor | None = None
        self._our_turn = False
        self._defer = False
        self.waited = 0.0
        self.results_read = False
        self._lost: Exception | None = None

    @property
    def lost(self) -> StorageError | None:
        """Why the connection is gone, also when a handler saw that and kept silent."""
        error = self._loan.lost if self._loan is not None else self._lost
        return storage_error(error, self.database) if error is not None else None

    def defer(self) -> None:
        """Let the handlers' writes wait and go out together."""
        self._defer = True
        if self._session is not None:
            self._session.defer()

    def mark(self) -> Mark | None:
        """A moment to which `drop` goes back; None before the transaction began."""
        return self._session.mark() if self._session is not None else None

    def drop(self, mark: Mark | None) -> bool:
        """Forget what was done since *mark*; False when the database has seen some of it."""
        if self._session is None:
            return True
        return mark is not None and self._session.drop(mark)

    def session(self) -> LentSession:
        """The session lent to handlers; begins the transaction at its first use."""
        if self._session is None:
            self._begin()
        assert self._session is not None
        return self._session

    def enter(self, consumer: str, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Write inbox rows for (source, id) *keys*; return those that are new."""
        now = time.time()
        connection = self._open()
        try:
            if self._raw is not None:
                values = (consumer, now, orjson.dumps(keys).decode())
                return set(self._raw.execute(_NEW_ROWS, values).fetchall())
            statement = (
                pg_insert(tables.inbox)
                .on_conflict_do_nothing()
                .returning(tables.inbox.c.source, tables.inbox.c.id)
            )
            rows = connection.execute(
                statement,
                [
                    {"consumer": consumer, "source": s, "id": i, "state": "applied", "at": now}
                    for s, i in keys
                ],
            )
            return {(row[0], row[1]) for row in rows}
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def withdraw(self, consumer: str, keys: Sequence[tuple[str, str]]) -> None:
        """Take back inbox rows that `enter` wrote here."""
        inbox = tables.inbox.c
        ours = (
            inbox.consumer == consumer,
            inbox.source == bindparam("s"),
            inbox.id == bindparam("i"),
        )
        connection = self._open()
        try:
            connection.execute(
                delete(tables.inbox).where(*ours), [{"s": s, "i": i} for s, i in keys]
            )
        except SQLAlchemyError as error:
            raise self._failed(error) from error

    def fence(self, consumer: str, token: int) -> None:
        """Go on only if nobody has written for *consumer* under a larger *token*.

        A later holder waits for our commit; our other lanes, under the same token, do not.
        """
        fences = tables.fences
        ours = fences.c.consumer == consumer
        connection = self._open()
        try:
            query = select(fences.c.token).where(ours).with_for_update(read=True)
            seen = connection.scalar(query)
            if seen is None:
                connection.execute(insert(fences), {"consumer": consumer, "token": token})
            elif seen < token:
                connection.execute(update(fences).where(ours).values(token=token))
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        if seen is not None and seen > token:
            raise LeaseLost(f"{consumer}: another replica has taken over")

    def savepoint(self) -> None:
        """Mark the point to which a failing handler is undone."""
        self._open()
        self._execute(f"SAVEPOINT {_EVENT}")

    def flush(self) -> None:
        """Send what the session still holds to the database, and end what was left open in it."""
        if self._session is None:
            return
        while nested := self._session.get_nested_transaction():
            nested.commit()
        if self._session._new or self._session._deleted or self._session.identity_map:
            self._session.flush()

    def keep(self) -> None:
        """Drop the savepoint."""
        self._end(f"RELEASE SAVEPOINT {_EVENT}")

    def undo(self) -> None:
        """Go back to the savepoint and forget what the session had loaded."""
        assert self._session is not None
        while nested := self._session.get_nested_transaction():
            nested.rollback()
        self._end(f"ROLLBACK TO SAVEPOINT {_EVENT}")
        self._session.expunge_all()
        self._end(f"RELEASE SAVEPOINT {_EVENT}")

    def park(self, event: ParkedEvent) -> None:
        """Record a failed attempt, in the inbox too."""
        connection = self._open()
        key = {"consumer": event.consumer, "source": event.source, "id": event.id}
        where = [tables.parked.c[name] == value for name, value in key.items()]
        state = "dead" if event.dead else "parked"
        row = {
            **key, "topic": event.topic, "body": event.body, "attempts": event.attempts,
            "error": event.error, "traceback": event.traceback, "due": event.due,
            "dead": int(event.dead), "published": event.published, "at": time.time(),
        }  # fmt: skip
        try:
            connection.execute(delete(tables.parked).where(*where))
            connection.execute(insert(tables.parked), row)
            self._mark(connection, key, state, event.attempts)
        except SQLAlchemyError as error:
            raise self._failed(error) from error

    def revive(self, event: ParkedEvent) -> bool:
        """Take a parked event out again as applied; False when it is not parked any more."""
        connection = self._open()
        key = {"consumer": event.consumer, "source": event.source, "id": event.id}
        try:
            gone = connection.execute(
                delete(tables.parked).where(
                    *(tables.parked.c[name] == value for name, value in key.items()),
                    tables.parked.c.dead == 0,
                    tables.parked.c.attempts == event.attempts,
                )
            )
            if gone.rowcount != 1:
                return False
            self._mark(connection, key, "applied", event.attempts)
            return True
        except SQLAlchemyError as error:
            raise self._failed(error) from error

    def forget_starts(self, consumer: str, key: tuple[str, str]) -> None:
        """The suspect came to an outcome: drop its count of starts."""
        starts = tables.starts.c
        where = (starts.consumer == consumer, starts.source == key[0], starts.id == key[1])
        self._open().execute(delete(tables.starts).where(*where))

    def post(self, messages: Sequence[Message]) -> None:
        """Write *messages* as one packed outbox row; it becomes the relay's after a lease."""
        values = {"messages": pack(messages), "due": time.time() + self._outbox_lease}
        connection = self._open()
        try:
            result = connection.execute(insert(tables.outbox), values)
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        self.outbox_id = result.inserted_primary_key[0] if result.inserted_primary_key else None

    def commit(self) -> None:
        """Make it all durable, and delete outbox rows that were sent before."""
        if self._session is None:
            return
        connection = self._open()
        going = [self._sent.pop() for _ in range(len(self._sent))]
        try:
            if going:
                connection.execute(delete(tables.outbox).where(tables.outbox.c.id.in_(going)))
            assert self._loan is not None
            if not self._loan.valid:
                raise ResourceClosedError("rolled back")
            self._loan.end()
            self._session.finish(commit=True)
        except SQLAlchemyError as error:
            self._sent.extend(going)
            self.rollback()
            if is_trouble(error):
                raise storage_error(error, self.database) from error
            raise _misuse(error) from error
        self._close()

    def rollback(self) -> None:
        """Undo it all; fine at any moment."""
        if self._loan is not None:
            self._loan.undo()
        if self._session is not None:
            with suppress(SQLAlchemyError):
                self._session.finish(commit=False)
        self._close()

    def _mark(self, connection: Connection, key: dict[str, str], state: str, attempts: int) -> None:
        inbox = tables.inbox
        where = [inbox.c[name] == value for name, value in key.items()]
        now = {"state": state, "at": time.time(), "attempts": attempts}
        changed = connection.execute(update(inbox).where(*where).values(now))
        if changed.rowcount == 0:
            connection.execute(insert(inbox), {**key, **now})
        self.forget_starts(key["consumer"], (key["source"], key["id"]))

    def _begin(self) -> None:
        began = time.monotonic()
        self.database.take_turn()
        self._our_turn = True
        self.waited += time.monotonic() - began
        session = LentSession(self.database.engine, expire_on_commit=False)
        self._session = session
        try:
            self._connection = session.lend()
            if self.database.sqlite:
                self._raw = cast(sqlite3.Cursor, self._connection.connection.cursor())
        except SQLAlchemyError as error:
            self.rollback()
            raise storage_error(error, self.database) from error
        self._loan = Loan(self._connection)
        if self._defer:
            session.defer()

    def _open(self) -> Connection:
        """The connection; what handlers' writes waited for is over, and their errors are raised."""
        if self._connection is None:
            self._begin()
        assert self._connection is not None
        assert self._session is not None
        self._session.send()
        return self._connection

    def _execute(self, statement: str) -> None:
        """A statement without parameters: on SQLite through the driver, 0.5 µs against 7."""
        if self._raw is not None:
            self._raw.execute(statement)
        else:
            self._open().exec_driver_sql(statement)

    def _end(self, statement: str) -> None:
        """Run a savepoint statement; it fails when the transaction is not ours any more."""
        try:
            self._execute(statement)
        except (SQLAlchemyError, sqlite3.Error, WorkerkitError) as error:
            if is_trouble(error):
                raise self._failed(error) from error
            raise _misuse(error) from error

    def _failed(self, error: Exception) -> WorkerkitError:
        """Our own statement failed: the database is in trouble, or a handler broke the transaction.

        25P02 is PostgreSQL's "current transaction is aborted".
        """
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if state == "25P02" or isinstance(error, PendingRollbackError | ResourceClosedError):
            return _misuse(error)
        return storage_error(error, self.database)

    def _close(self) -> None:
        if self._session is not None:
            self.results_read = self._session.results_read
        if self._loan is not None:
            self._lost = self._loan.lost
        self._session = None
        self._connection = None
        self._loan = None
        self._raw = None
        if self._our_turn:
            self._our_turn = False
            self.database.end_turn()


def _misuse(error: Exception) -> SessionMisuse:
    return SessionMisuse(
        "the handler ended or broke the transaction that it shares with its batch "
        f"({type(error).__name__})"
    )


def pack(messages: Sequence[Message]) -> bytes:
    """One outbox row: a line of JSON with topic and length of each body, then the bodies."""
    heads = orjson.dumps([(message.topic, len(message.body)) for message in messages])
    return b"".join([heads, b"\n", *[message.body for message in messages]])


def unpack(packed: bytes) -> list[Message]:
    """The messages of one outbox row."""
    heads, _, bodies = packed.partition(b"\n")
    messages, start = [], 0
    for topic, length in orjson.loads(heads):
        messages.append(Message(topic, bodies[start : start + length]))
        start += length
    return messages
