"""A user's worker, as mypy must see it: clean but for the lines that say otherwise.

`error: CODE` at the end of a line is what mypy has to find there.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from pydantic import BaseModel
from schedule import every
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from workerkit import (
    CronJob,
    EventContext,
    EventWorker,
    Reject,
    Retry,
    RunContext,
    Service,
    Settings,
)


class StockUpdated(BaseModel):
    """A payload."""

    product_id: str
    stock: int


class PriceUpdated(BaseModel):
    """Another payload."""

    price: int


class Right(EventWorker[StockUpdated]):
    """As the documentation shows it."""

    topic = "warehouse.stock.updated"
    retry = Retry(attempts=10, first=0.2, factor=2.0, cap=300.0)

    def key(self, stock: StockUpdated) -> str:
        """Order by product."""
        return stock.product_id

    def handle(self, stock: StockUpdated, context: EventContext) -> None:
        """Use what a context has."""
        assert_type(context.session, Session)
        assert_type(stock.stock, int)
        if stock.stock < 0:
            raise Reject("negative stock")
        context.publish("pricing.price.updated", PriceUpdated(price=stock.stock))


class Asynchronous(EventWorker[StockUpdated]):
    """A handler may be `async def`."""

    topic = "warehouse.stock.updated"

    async def handle(self, stock: StockUpdated, context: EventContext) -> None:
        """Await something."""


class WrongPayload(EventWorker[StockUpdated]):
    """Handles something else than it says."""

    topic = "warehouse.stock.updated"

    def handle(self, price: PriceUpdated, context: EventContext) -> None:  # error: override
        """Never called."""


class WrongField(EventWorker[StockUpdated]):
    """Reads a field that the payload has not."""

    topic = "warehouse.stock.updated"

    def handle(self, stock: StockUpdated, context: EventContext) -> None:
        """Misspell it."""
        context.publish("prices", stock.prodct_id)  # error: attr-defined


class WrongKey(EventWorker[StockUpdated]):
    """Its key is a number."""

    topic = "warehouse.stock.updated"

    def key(self, stock: StockUpdated) -> int:  # error: override
        """Not a text."""
        return stock.stock

    def handle(self, stock: StockUpdated, context: EventContext) -> None:
        """Nothing."""


class WrongAnswer(EventWorker[StockUpdated]):
    """Returns a value, which nobody reads."""

    topic = "warehouse.stock.updated"

    def handle(self, stock: StockUpdated, context: EventContext) -> int:  # error: override
        """Not None."""
        return 1


class RightJob(CronJob):
    """As the documentation shows it."""

    schedule = "*/5 * * * *"
    timezone = "Europe/Berlin"
    overlap = "queue"
    timeout = 600.0

    def run(self, context: RunContext) -> None:
        """Use what a context has."""
        assert_type(context.session, Session)
        assert_type(context.tick, datetime)
        context.rows += 1
        context.commit()


class AsynchronousJob(CronJob):
    """A job may be `async def`, and be said in the style of `schedule`."""

    schedule = every(5).minutes

    async def run(self, context: RunContext) -> None:
        """Await something."""


class WrongOverlap(CronJob):
    """Chooses what there is not."""

    schedule = "@daily"
    overlap = "wait"  # error: assignment


class WrongRun(CronJob):
    """Takes nothing."""

    schedule = "@daily"

    def run(self) -> None:  # error: override
        """Never called."""


def migrate(connection: Connection) -> None:
    """Create tables."""


def wire(settings: Settings) -> Service:
    """Build the service."""
    assert_type(settings.service, str)
    Retry(attempts="ten")  # error: arg-type
    Service("pricing", events=[Right], migrate=migrate)  # error: list-item
    Service("pricing", cron=[RightJob])  # error: list-item
    return Service(
        "pricing",
        events=[Right(), Asynchronous()],
        cron=[RightJob(), AsynchronousJob()],
        migrate=migrate,
    )
