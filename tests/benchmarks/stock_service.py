"""The service that is measured: pydantic payload, one upsert, one follow-up event."""

from __future__ import annotations

import time

from pydantic import BaseModel
from sqlalchemy import Connection, text

from workerkit import EventContext, EventWorker, Service, Settings

UPSERT = text(
    "INSERT INTO prices (sku, price) VALUES (:sku, :price) "
    "ON CONFLICT (sku) DO UPDATE SET price = excluded.price"
)


class Stock(BaseModel):
    """A stock level."""

    product_id: str
    sku: str
    level: int


class StockWorker(EventWorker[Stock]):
    """Writes a price for each stock level, and announces it."""

    topic = "stock"

    def key(self, stock: Stock) -> str:
        """Levels of one product stay in order."""
        return stock.product_id

    def handle(self, stock: Stock, context: EventContext) -> None:
        """One upsert and one follow-up."""
        price = {"sku": stock.sku, "price": stock.level}
        context.session.execute(UPSERT, price)
        context.publish("price", price)


class QuietWorker(StockWorker):
    """The same without a follow-up, on a topic of its own."""

    topic = "stock.quiet"

    def handle(self, stock: Stock, context: EventContext) -> None:
        """One upsert."""
        context.session.execute(UPSERT, {"sku": stock.sku, "price": stock.level})


class TimedWorker(StockWorker):
    """The same, on a topic of its own; keeps when each event's effect was committed."""

    topic = "stock.timed"

    def __init__(self, settings: Settings) -> None:
        self.file = (settings.data / "timed").open("a", buffering=1)

    def handle(self, stock: Stock, context: EventContext) -> None:
        """As its parent, and note the moment after commit and follow-up."""
        super().handle(stock, context)
        context.after_commit(lambda: self.file.write(f"{stock.level} {time.time():.6f}\n"))


def migrate(connection: Connection) -> None:
    """Create the table when it is missing."""
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS prices (sku TEXT PRIMARY KEY, price INTEGER)")
    )


def wire(settings: Settings) -> Service:
    """Build the service."""
    workers = [StockWorker(), QuietWorker(), TimedWorker(settings)]
    return Service("stock", events=workers, migrate=migrate)
