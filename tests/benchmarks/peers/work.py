"""What each framework's handler does.

W0: parse and validate, nothing else. W1: validate, claim the id in Redis,
upsert a price, publish a follow-up event. The claim is what their users write
by hand: SET NX with an expiry. Killed between claim and upsert it loses the
event.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel
from redis import Redis
from redis import asyncio as aioredis
from redis.exceptions import ResponseError
from sqlalchemy import Engine, create_engine, event, text

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASE = os.environ.get("BENCH_DATABASE", "sqlite:///bench.db")
COUNT = int(os.environ.get("BENCH_EVENTS", "0"))
NOOP = "BENCH_NOOP" in os.environ
"""Whether it is W0."""

UPSERT = text(
    "INSERT INTO prices (sku, price) VALUES (:sku, :price) "
    "ON CONFLICT (sku) DO UPDATE SET price = excluded.price"
)


class Stock(BaseModel):
    """A stock level."""

    id: str
    product_id: str
    sku: str
    level: int
    due: float


def paced(rate: float) -> Iterator[dict[str, Any]]:
    """Events as JSON data, each when it is `due`; all at once without a rate."""
    began = time.time()
    for number in range(COUNT):
        due = began + number / rate if rate else began
        time.sleep(max(0.0, due - time.time()))
        product = number % 500
        yield {
            "id": f"e{number}", "product_id": f"p{product}", "sku": f"S{product}",
            "level": number, "due": due,
        }  # fmt: skip


_first = threading.Lock()


def engine() -> Engine:
    """The database, with one table; one a process, also when its threads ask for it at once."""
    with _first:
        return _engine()


@cache
def _engine() -> Engine:
    opened = create_engine(DATABASE)
    event.listen(opened, "connect", _set_up)
    with opened.begin() as connection:
        # Once: SQLite's busy wait does not cover this step.
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS prices (sku TEXT PRIMARY KEY, price INTEGER)"
        )
    return opened


def _set_up(connection: Any, record: object) -> None:
    for pragma in ("busy_timeout=10000", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


@cache
def redis() -> Redis:
    """One client a process."""
    return Redis.from_url(URL)


def create_group() -> None:
    """Group `g` on stream `stock`, from its start; the worker may have been quicker."""
    with suppress(ResponseError):
        redis().xgroup_create("stock", "g", id="0", mkstream=True)


@cache
def async_redis() -> Any:
    """One client a process."""
    return aioredis.from_url(URL)


def follow_up(item: Stock) -> dict[str, bytes]:
    """The event that says what happened."""
    return {"data": orjson.dumps({"data": {"of": item.id, "sku": item.sku, "due": item.due}})}


def upsert(item: Stock) -> None:
    """The effect."""
    with engine().begin() as connection:
        connection.execute(UPSERT, {"sku": item.sku, "price": item.level})


class Tally:
    """How many events W0 has handled; a thread tells it to Redis every 10 ms."""

    def __init__(self) -> None:
        self.count = 0
        threading.Thread(target=self._tell, daemon=True).start()

    def add(self, events: int = 1) -> None:
        """Count; a switch of threads may cost one, so the runner stops short of the end."""
        self.count += events

    def _tell(self) -> None:
        client = Redis.from_url(URL)
        while True:
            client.set("handled", self.count)
            time.sleep(0.01)


def tally() -> Tally:
    """One a process, also when its threads ask for it at once."""
    with _first:
        return _tally()


@cache
def _tally() -> Tally:
    return Tally()


def apply(item: Stock) -> None:
    """All of it, for a synchronous handler."""
    if NOOP:
        tally().add()
    elif redis().set(f"done:{item.id}", 1, nx=True, ex=3600):
        upsert(item)
        redis().xadd("price", follow_up(item))


async def apply_later(item: Stock) -> None:
    """All of it, for an `async def` handler."""
    if NOOP:
        tally().add()
    elif await async_redis().set(f"done:{item.id}", 1, nx=True, ex=3600):
        upsert(item)
        await async_redis().xadd("price", follow_up(item))
