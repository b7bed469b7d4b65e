"""Inbox, outbox, parked events and starts of one service, in its own database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import DBAPIError

from ..core.clock import Clock, SystemClock
from ..errors import StorageError
from ..events.store import ParkedEvent, UnitOfWork
from ..events.transport import Message
from . import tables
from .database import Database, is_trouble, storage_error
from .unit_of_work import SqlUnitOfWork, unpack

_STORY = """
WITH RECURSIVE found (consumer) AS (
    SELECT min(consumer) FROM workerkit_inbox
    UNION ALL SELECT (SELECT min(i.consumer) FROM workerkit_inbox i
                      WHERE i.consumer > found.consumer)
    FROM found WHERE found.consumer IS NOT NULL)
SELECT i.consumer, i.state, i.at, COALESCE(p.attempts, i.attempts), COALESCE(p.error, ''),
       COALESCE(p.due, 0.0)
FROM found JOIN workerkit_inbox i
     ON i.consumer = found.consumer AND i.source = :source AND i.id = :id
LEFT JOIN workerkit_parked p
     ON p.consumer = i.consumer AND p.source = i.source AND p.id = i.id
ORDER BY i.consumer
"""
"""Hops from consumer to consumer: the inbox is ordered by consumer, and it is long."""


CLOCK_SLACK = 60.0
"""Seconds by which clocks may differ. A due time beyond what this clock could have
given yet, and this, is from before it was set back."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one consumer did with one event.

    `state` is applied, parked or dead; `at` and `due` in epoch seconds;
    `attempts` counts the failed ones, and `error` is the last of them while
    the event is parked or dead.
    """

    consumer: str
    state: str
    at: float
    attempts: int
    error: str
    due: float


class SqlStore:
    """See `events.store.Store`. One an open database; safe from many threads.

    *outbox_lease*: seconds after which a relay takes an outbox row that
    nobody reported as sent.
    """

    def __init__(
        self, database: Database, outbox_lease: float = 5.0, clock: Clock | None = None
    ) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self.outbox_lease = outbox_lease
        self.one_writer = database.sqlite
        self._sent: list[int] = []

    def begin(self) -> SqlUnitOfWork:
        """A new unit of work; takes no lock before its first use."""
        return SqlUnitOfWork(self.database, self._sent, self.outbox_lease)

    def fenced(self, consumer: str) -> int:
        """The largest token under which *consumer* has written; 0 when there is none."""
        query = select(tables.fences.c.token).where(tables.fences.c.consumer == consumer)
        with self.database.read_ours() as session:
            return session.scalar(query) or 0

    def settled(self, consumer: str, key: tuple[str, str]) -> bool:
        """Whether the inbox holds *key*."""
        inbox = tables.inbox.c
        query = select(inbox.state).where(
            inbox.consumer == consumer, inbox.source == key[0], inbox.id == key[1]
        )
        with self.database.read_ours() as session:
            return session.execute(query).first() is not None

    def sent(self, uow: UnitOfWork) -> None:
        """The follow-ups of *uow* are published; its row goes with a later commit."""
        if uow.outbox_id is not None:
            self._sent.append(uow.outbox_id)

    def sweep(self) -> None:
        """Delete outbox rows that were sent and that no later batch has taken along."""
        going = [self._sent.pop() for _ in range(len(self._sent))]
        if going:
            self.delete_outbox(going)

    def overdue(self, limit: int) -> list[tuple[int, list[Message]]]:
        """Lease outbox rows past their due time for another outbox lease."""
        now = self.clock.time()
        outbox = tables.outbox
        unreal = now + self.outbox_lease + CLOCK_SLACK
        overdue = or_(outbox.c.due < now, outbox.c.due > unreal)
        query = select(outbox.c.id, outbox.c.messages).where(overdue)
        query = query.order_by(outbox.c.id).limit(limit)
        if not self._any(query):
            return []
        with self.database.transaction() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            leased = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
            connection.execute(leased.values(due=now + self.outbox_lease))
        return [(row.id, unpack(row.messages)) for row in rows]

    def delete_outbox(self, ids: Sequence[int]) -> None:
        """Delete outbox rows that were sent."""
        with self.database.transaction() as connection:
            connection.execute(delete(tables.outbox).where(tables.outbox.c.id.in_(ids)))

    def due(self, consumer: str, limit: int, lease: float, longest: float) -> list[ParkedEvent]:
        """Lease parked events whose time has come by moving their due time."""
        now = self.clock.time()
        parked = tables.parked
        come = or_(parked.c.due <= now, parked.c.due > now + longest + CLOCK_SLACK)
        query = select(parked).where(parked.c.consumer == consumer, parked.c.dead == 0, come)
        query = query.order_by(parked.c.due).limit(limit)
        if not self._any(query):
            return []
        with self.database.transaction() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            events = [parked_event(row) for row in rows]
            _hold(connection, events, now + lease)
        return events

    def hold(self, events: Sequence[ParkedEvent], lease: float) -> None:
        """Keep parked events that are being worked on for another *lease* seconds."""
        with self.database.transaction() as connection:
            _hold(connection, events, self.clock.time() + lease)

    def started(self, consumer: str, key: tuple[str, str]) -> int:
        """Count a lonely start, durably; return how many there were before."""
        starts = tables.starts
        where = (starts.c.consumer == consumer, starts.c.source == key[0], starts.c.id == key[1])
        row = {"consumer": consumer, "source": key[0], "id": key[1]}
        with self.database.transaction() as connection:
            before = connection.scalar(select(starts.c.count).where(*where))
            if before is None:
                connection.execute(insert(starts), {**row, "count": 1})
            else:
                connection.execute(update(starts).where(*where).values(count=before + 1))
            return before or 0

    def counts(self) -> dict[str, int]:
        """How many events are parked and dead, and how many outbox rows wait."""
        with self.database.read_ours() as session:
            by_kind = select(tables.parked.c.dead, func.count()).group_by(tables.parked.c.dead)
            kinds = {row.dead: row[1] for row in session.execute(by_kind)}
            waiting = session.scalar(select(func.count()).select_from(tables.outbox))
        return {"parked": kinds.get(0, 0), "dead": kinds.get(1, 0), "outbox": waiting or 0}

    def story(self, source: str, id: str) -> list[Settlement]:
        """What the service's consumers did with an event; empty when none has settled it."""
        with self.database.read_ours() as session:
            rows = session.execute(text(_STORY), {"source": source, "id": id}).all()
        return [Settlement(*row) for row in rows]

    def works(self) -> bool:
        """Whether the database takes a write right now."""
        try:
            with self.database.transaction() as connection:
                connection.execute(update(tables.version).values(version=tables.version.c.version))
        except StorageError:
            return False
        return True

    def trouble(self, error: BaseException) -> StorageError | None:
        """*error* as a StorageError when our storage is at fault, not the handler."""
        if isinstance(error, StorageError):
            return error
        if isinstance(error, DBAPIError | sqlite3.Error) and is_trouble(error):
            return storage_error(error, self.database)
        return None

    def _any(self, query: Select[Any]) -> bool:
        """Look without a lock first: this runs each second and mostly finds nothing."""
        with self.database.read_ours() as session:
            return session.execute(query.limit(1)).first() is not None


def _hold(connection: Connection, events: Sequence[ParkedEvent], until: float) -> None:
    parked = tables.parked
    for event in events:
        where = (
            parked.c.consumer == event.consumer,
            parked.c.source == event.source,
            parked.c.id == event.id,
            parked.c.dead == 0,
        )
        connection.execute(update(parked).where(*where).values(due=until))


def parked_event(row: object) -> ParkedEvent:
    """The value of a row of `workerkit_parked`."""
    mapping = row._mapping  # type: ignore[attr-defined]
    return ParkedEvent(
        **{name: mapping[name] for name in ParkedEvent.__dataclass_fields__ if name != "dead"},
        dead=bool(mapping["dead"]),
    )
