"""What a chaos run notes down beside a handler's own effects, in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    func,
    or_,
    select,
)

from . import tables
from .database import Database

_metadata = MetaData()

effects = Table(
    "workerkit_effects",
    _metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run", String, nullable=False, index=True),
    Column("consumer", String, nullable=False),
    Column("what", String, nullable=False),
    Column("at", Float, nullable=False),
)
"""One row for each time that a handler or job did its work in *run*; without a unique key, so
that what is done twice is there twice. Made by chaos runs alone.
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the inbox says of one event, by the name that `name_of` gives it; `at` in epoch s."""

    consumer: str
    id: str
    state: str
    at: float


def prepare_effects(database: Database) -> None:
    """Make the table when it is missing.

    Raises:
        StorageError: The database cannot be reached or written.
    """
    with database.transaction() as connection:
        _metadata.create_all(connection)


def name_of(run: str, source: str, id: str) -> str:
    """What a chaos run calls an event: its id, behind `twin/` if its source is `RUN/twin`."""
    return id if source == run else f"{source.removeprefix(run + '/')}/{id}"


def list_effects(database: Database, run: str) -> list[tuple[str, str]]:
    """Consumer and event's name, or job and tick, of each effect, in the order of their writing."""
    query = select(effects.c.consumer, effects.c.what)
    query = query.where(effects.c.run == run).order_by(effects.c.n)
    with database.read_ours() as session:
        return [(row[0], row[1]) for row in session.execute(query)]


def count_settled(database: Database, run: str) -> int:
    """How many of the run's own events, without twins, the inbox holds, over all consumers."""
    query = select(func.count()).where(tables.inbox.c.source == run)
    with database.read_ours() as session:
        return session.scalar(query) or 0


def count_overdue(database: Database, since: float) -> int:
    """Parked events that nobody has tried again though they were due at *since* (epoch seconds)."""
    parked = tables.parked.c
    query = select(func.count()).where(parked.dead == 0, parked.due < since)
    with database.read_ours() as session:
        return session.scalar(query) or 0


def settled_events(database: Database, run: str) -> list[Settled]:
    """What the inbox holds of events of *run*, oldest first."""
    inbox = tables.inbox.c
    query = select(inbox.consumer, inbox.source, inbox.id, inbox.state, inbox.at)
    others = inbox.source.startswith(f"{run}/", autoescape=True)
    query = query.where(or_(inbox.source == run, others))
    with database.read_ours() as session:
        rows = session.execute(query.order_by(inbox.at)).all()
    return [Settled(row[0], name_of(run, row[1], row[2]), row[3], row[4]) for row in rows]
