"""The one place where pricing is put together."""

from __future__ import annotations

from workerkit import Service, Settings

from .api import build_api
from .migrate import migrate
from .use_case import PricingUseCase
from .worker.event.stock_updated import StockUpdatedWorker


def wire(settings: Settings) -> Service:
    """Build pricing: its API, its event worker and its tables."""
    pricing = PricingUseCase()
    return Service(
        "pricing",
        api=lambda: build_api(settings, pricing),
        events=[StockUpdatedWorker(pricing)],
        migrate=migrate,
    )
