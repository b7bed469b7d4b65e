"""workerkit: a handler per event, with inbox, outbox, leases and retries."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, text

from workerkit import EventContext, EventWorker, Service, Settings
from workerkit.cli.app import main
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.transports.redis_streams import RedisStreamsTransport

from .work import NOOP, UPSERT, URL, Stock, paced, tally

TOML = """[services.stock]
wire = "tests.benchmarks.peers.workerkit_itself:wire"
ports = { events = 0 }
"""


class StockWorker(EventWorker[Stock]):
    """W1 as a user writes it."""

    topic = "stock"

    def key(self, item: Stock) -> str:
        """Levels of one product stay in order."""
        return item.product_id

    def handle(self, item: Stock, context: EventContext) -> None:
        """One upsert and one follow-up."""
        context.session.execute(UPSERT, {"sku": item.sku, "price": item.level})
        context.publish("price", {"of": item.id, "sku": item.sku, "due": item.due})


class NoopWorker(EventWorker[Stock]):
    """W0; the inbox and the acknowledgement are the engine's own."""

    topic = "stock"

    def handle(self, item: Stock, context: EventContext) -> None:
        """Count it."""
        tally().add()


def migrate(connection: Connection) -> None:
    """Create the table when it is missing."""
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS prices (sku TEXT PRIMARY KEY, price INTEGER)")
    )


def wire(settings: Settings) -> Service:
    """Build the service."""
    return Service("stock", events=[NoopWorker() if NOOP else StockWorker()], migrate=migrate)


def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    transport = RedisStreamsTransport(URL)
    batch: list[Message] = []
    for item in paced(rate):
        batch.append(Message("stock", encode(Event("stock", item, id=item["id"], source="bench"))))
        if rate or len(batch) == 1000:
            transport.publish(batch)
            batch = []
    if batch:
        transport.publish(batch)


def work(*arguments: str) -> None:
    """Run the worker, with *arguments* for `workerkit run`."""
    sys.path.insert(0, str(Path.cwd()))
    folder = Path(os.environ["BENCH_FOLDER"])
    (folder / "workerkit.toml").write_text(TOML)
    os.chdir(folder)
    if "DATABASE_URL" in os.environ:
        with suppress(SystemExit):
            main(["db", "upgrade"])
    main(["run", "--mode=events", *arguments])


if __name__ == "__main__":
    publish(float(sys.argv[2])) if sys.argv[1] == "publish" else work()
