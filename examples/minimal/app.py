"""One worker in one file. In this folder:

workerkit run
workerkit publish orders --data '{"id": 7, "amount": 1250}'
"""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy import Connection, text

from workerkit import EventContext, EventWorker, Service, Settings


class Order(BaseModel):
    """An order; `amount` in cents."""

    id: int
    amount: int


class OrderWorker(EventWorker[Order]):
    """Adds each order to the day's revenue, once."""

    topic = "orders"

    def handle(self, order: Order, context: EventContext) -> None:
        """Write the order, and announce it."""
        context.session.execute(
            text("INSERT INTO revenue (order_id, amount) VALUES (:id, :amount)"),
            order.model_dump(),
        )
        context.publish("orders.booked", {"id": order.id})


def migrate(connection: Connection) -> None:
    """Create our table when it is missing."""
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS revenue (order_id INTEGER, amount INTEGER)")
    )


def wire(settings: Settings) -> Service:
    """Build the service."""
    return Service("app", events=[OrderWorker()], migrate=migrate)
