"""Questions that people ask of a service's database; none of them writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import and_, func, select

from ..events.store import ParkedEvent
from . import tables
from .database import Database, current_version
from .store import Settlement, parked_event


def table_version(database: Database) -> int:
    """Version of our tables; 0 when there are none yet. A missing file is not made by looking.

    Raises:
        StorageError: The database cannot be reached.
    """
    file = database.url.database if database.sqlite else None
    if file and file != ":memory:" and not Path(file).exists():
        return 0
    with database.read_ours() as session:
        return current_version(session.connection())


def letter_ids(database: Database, prefix: str) -> list[str]:
    """Up to 20 ids of parked events and dead letters that begin with *prefix*, each once."""
    parked = tables.parked.c.id
    query = select(parked).where(parked.startswith(prefix, autoescape=True))
    with database.read_ours() as session:
        return list(session.scalars(query.distinct().order_by(parked).limit(20)))


def outbox_overdue(database: Database, before: float) -> int:
    """Outbox rows that a relay should have sent by *before* (epoch seconds)."""
    query = select(func.count()).select_from(tables.outbox).where(tables.outbox.c.due < before)
    with database.read_ours() as session:
        return session.scalar(query) or 0


def latest_dead(database: Database, limit: int) -> list[ParkedEvent]:
    """Up to *limit* dead letters, those published last first."""
    parked = tables.parked
    query = select(parked).where(parked.c.dead == 1)
    query = query.order_by(parked.c.published.desc(), parked.c.id).limit(limit)
    with database.read_ours() as session:
        return [parked_event(row) for row in session.execute(query)]


def count_letters(database: Database, *, dead: bool) -> int:
    """How many dead letters, or parked events, there are."""
    query = select(func.count()).select_from(tables.parked)
    with database.read_ours() as session:
        return session.scalar(query.where(tables.parked.c.dead == int(dead))) or 0


def applied(database: Database, consumer: str) -> tuple[int, float]:
    """How many events *consumer* has applied that the inbox still knows, and when the last one.

    In epoch seconds; 0 of both when there is none, or no table yet.
    """
    if not table_version(database):
        return 0, 0.0
    inbox = tables.inbox.c
    query = select(func.count(), func.coalesce(func.max(inbox.at), 0.0))
    query = query.where(inbox.consumer == consumer, inbox.state == "applied")
    with database.read_ours() as session:
        count, last = session.execute(query).one()
        return int(count), float(last)


def settlements(
    database: Database, consumer: str, source: str, ids: Sequence[str]
) -> dict[str, Settlement]:
    """What *consumer* did with each of *ids*, 500 at most; those it has not settled are missing."""
    inbox, parked = tables.inbox.c, tables.parked.c
    same = and_(
        parked.consumer == inbox.consumer, parked.source == inbox.source, parked.id == inbox.id
    )
    query = select(
        inbox.id,
        inbox.state,
        inbox.at,
        func.coalesce(parked.attempts, inbox.attempts),
        parked.error,
        parked.due,
    ).select_from(tables.inbox.outerjoin(tables.parked, same))
    query = query.where(inbox.consumer == consumer, inbox.source == source, inbox.id.in_(ids))
    with database.read_ours() as session:
        return {
            id: Settlement(consumer, state, at, attempts, error or "", due or 0.0)
            for id, state, at, attempts, error, due in session.execute(query)
        }


def sources_of(database: Database, id: str) -> list[tuple[str, str]]:
    """Consumer and source of each event with id *id* that the inbox holds; reads all of it."""
    inbox = tables.inbox.c
    query = select(inbox.consumer, inbox.source).where(inbox.id == id).order_by(inbox.consumer)
    with database.read_ours() as session:
        return [(row[0], row[1]) for row in session.execute(query)]
