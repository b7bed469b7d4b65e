"""The warehouse's stock levels → the cache, every minute."""

from __future__ import annotations

from workerkit import CronJob, RunContext

from ...stock import StockCache
from ...warehouse import Warehouse


class StockSyncJob(CronJob):
    """Copies the stock levels of all products into the cache, a page at a time.

    A warehouse that is away fails the run, and the cache keeps what it has.
    """

    schedule = "0 * * * * *"
    timeout = 50.0

    def __init__(self, warehouse: Warehouse, stock: StockCache) -> None:
        self.warehouse = warehouse
        self.stock = stock

    def run(self, context: RunContext) -> None:
        """Read every page, and keep it."""
        for levels in self.warehouse.pages():
            self.stock.keep(levels)
            context.rows += len(levels)
            if context.stopping:
                return
