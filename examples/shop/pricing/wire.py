"""The one place where pricing is put together."""

from __future__ import annotations

from workerkit import Service, Settings

from .api import build_api
from .migrate import migrate
from .use_case import PricingUseCase
from .worker.cron.cache_warmup import CacheWarmupJob
from .worker.cron.cleanup import ExpiredPricesCleanupJob, OldEventsCleanupJob
from .worker.cron.price_sync import PriceSyncJob
from .worker.event.stock_updated import StockUpdatedWorker


def wire(settings: Settings) -> Service:
    """Build pricing: its API, its workers and its tables."""
    pricing = PricingUseCase()
    return Service(
        "pricing",
        api=lambda: build_api(settings, pricing),
        events=[
            StockUpdatedWorker(pricing),
        ],
        cron=[
            PriceSyncJob(pricing),
            CacheWarmupJob(pricing, settings.cache),
            ExpiredPricesCleanupJob(pricing),
            OldEventsCleanupJob(settings.old_events),
        ],
        migrate=migrate,
    )
