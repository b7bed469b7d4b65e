"""What a chaos run notes down beside a handler's own effects, in the same transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table, func, select

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
    """What the inbox says of one event; `at` in epoch seconds."""

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


def count_effects(database: Database, run: str) -> Counter[tuple[str, str]]:
    """How often each consumer did its work for each event id, or job for each tick."""
    query = select(effects.c.consumer, effects.c.what, func.count())
    query = query.where(effects.c.run == run).group_by(effects.c.consumer, effects.c.what)
    with database.read_ours() as session:
        return Counter({(row[0], row[1]): row[2] for row in session.execute(query)})


def settled_events(database: Database, source: str) -> list[Settled]:
    """What the inbox holds of events of *source*, oldest first."""
    inbox = tables.inbox.c
    query = select(inbox.consumer, inbox.id, inbox.state, inbox.at)
    query = query.where(inbox.source == source).order_by(inbox.at)
    with database.read_ours() as session:
        return [Settled(*row) for row in session.execute(query)]
