"""The baseline: a loop written by hand that does the same work on the same files, 100 at a time.

It has no inbox, no outbox, no lease and no retry: killed, it loses or repeats a
batch. What the engine's guarantees cost is the ratio to this.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import orjson
from sqlalchemy import create_engine, event

from workerkit.events.envelope import Event, encode

from .stock_service import UPSERT, Stock

BATCH = 100


def drain(broker_file: Path, database_file: Path) -> float:
    """Apply every event of topic `stock`; return the seconds it took."""
    broker = sqlite3.connect(broker_file, isolation_level=None)
    engine = create_engine(f"sqlite:///{database_file}")
    event.listen(engine, "connect", _set_up)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        broker.execute(f"PRAGMA {pragma}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE prices (sku TEXT PRIMARY KEY, price INTEGER)")
    began, cursor = time.perf_counter(), 0
    while rows := broker.execute(
        "SELECT seq, body FROM messages WHERE topic = 'stock' AND seq > ? ORDER BY seq LIMIT ?",
        (cursor, BATCH),
    ).fetchall():
        follow_ups = []
        with engine.begin() as connection:
            for _, body in rows:
                stock = Stock.model_validate(orjson.loads(body)["data"])
                price = {"sku": stock.sku, "price": stock.level}
                connection.execute(UPSERT, price)
                follow_ups.append(encode(Event("price", price, source="stock", time=time.time())))
        cursor = rows[-1][0]
        broker.execute("BEGIN IMMEDIATE")
        broker.executemany(
            "INSERT INTO messages (topic, body, published) VALUES ('price', ?, ?)",
            [(body, time.time()) for body in follow_ups],
        )
        broker.execute("COMMIT")
    seconds = time.perf_counter() - began
    broker.close()
    engine.dispose()
    return seconds


def _set_up(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
