"""Parked events and dead letters, for the people who look after them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from ..events.envelope import with_data
from ..events.store import ParkedEvent
from . import tables
from .database import Database, storage_error
from .store import parked_event

Key = tuple[str, str, str]

_KEY = ("consumer", "source", "id")


def list_parked(database: Database, *, dead: bool | None, limit: int) -> list[ParkedEvent]:
    """Up to *limit* events, those due first; *dead* None means dead letters and parked ones.

    Raises:
        StorageError: The database cannot be read.
    """
    parked = tables.parked.c
    query = select(tables.parked).order_by(parked.due, parked.id).limit(limit)
    return _read(database, query if dead is None else query.where(parked.dead == int(dead)))


def find(database: Database, id: str) -> list[ParkedEvent]:
    """The parked events and dead letters with event id *id*, one for each consumer."""
    query = select(tables.parked).where(tables.parked.c.id == id)
    return _read(database, query.order_by(tables.parked.c.consumer))


def replay(database: Database, ids: Sequence[str] | None = None) -> int:
    """Make events due now, with all of their attempts again; return how many.

    *ids* names dead letters or parked events; None means every dead letter.
    Nothing is published again: the consumer that failed takes its own copy.
    """
    parked = tables.parked
    with database.transaction() as connection:
        keys = _keys(connection, ids)
        for key in keys:
            row = {"dead": 0, "due": time.time(), "attempts": 0}
            connection.execute(update(parked).where(_is(parked, key)).values(row))
            connection.execute(
                update(tables.inbox).where(_is(tables.inbox, key)).values(state="parked")
            )
            connection.execute(delete(tables.starts).where(_is(tables.starts, key)))
    return len(keys)


def correct(database: Database, id: str, data: Any) -> int:
    """Put *data* in place of what a parked event or dead letter holds; return how many.

    The envelope keeps its id, so the inbox still knows it. `replay` runs it.

    Raises:
        InvalidPayload: The envelope itself cannot be read.
    """
    parked = tables.parked
    letters = find(database, id)
    with database.transaction() as connection:
        for letter in letters:
            body = with_data(letter.body, data)
            key = (letter.consumer, letter.source, letter.id)
            connection.execute(update(parked).where(_is(parked, key)).values(body=body))
    return len(letters)


def drop(database: Database, ids: Sequence[str]) -> int:
    """Give events up for good; return how many. The inbox keeps them as dead, so they never run."""
    with database.transaction() as connection:
        keys = _keys(connection, ids)
        for key in keys:
            connection.execute(delete(tables.parked).where(_is(tables.parked, key)))
            connection.execute(
                update(tables.inbox).where(_is(tables.inbox, key)).values(state="dead")
            )
            connection.execute(delete(tables.starts).where(_is(tables.starts, key)))
    return len(keys)


def _read(database: Database, query: Select[Any]) -> list[ParkedEvent]:
    try:
        with database.read() as session:
            return [parked_event(row) for row in session.execute(query)]
    except SQLAlchemyError as error:
        raise storage_error(error, database) from error


def _keys(connection: Connection, ids: Sequence[str] | None) -> list[Key]:
    parked = tables.parked.c
    query = select(parked.consumer, parked.source, parked.id)
    query = query.where(parked.dead == 1 if ids is None else parked.id.in_(ids))
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def _is(table: Table, key: Key) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in zip(_KEY, key, strict=True)))
