"""The one place where catalog is put together."""

from __future__ import annotations

import os

from workerkit import Service, Settings

from .api import build_api
from .migrate import migrate
from .stock import StockCache
from .warehouse import Warehouse
from .worker.cron.stock_sync import StockSyncJob


def wire(settings: Settings) -> Service:
    """Build catalog: its API, its workers and its tables."""
    stock = StockCache(settings.cache)
    warehouse = Warehouse(os.environ.get("WAREHOUSE_URL", "http://localhost:8021"))
    return Service(
        "catalog",
        api=lambda: build_api(settings, stock),
        cron=[
            StockSyncJob(warehouse, stock),
        ],
        migrate=migrate,
    )
