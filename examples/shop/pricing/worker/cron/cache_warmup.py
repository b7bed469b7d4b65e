"""All prices into the cache, daily before the day begins."""

from __future__ import annotations

from workerkit import Cache, CronJob, RunContext

from ...payloads import PriceView
from ...use_case import PricingUseCase

CHUNK = 500

KEPT = 26 * 3600.0
"""Seconds: until the next warmup, and a little."""


class CacheWarmupJob(CronJob):
    """Keeps what the API shows when the database is away."""

    schedule = "0 2 * * *"
    timeout = 600.0

    def __init__(self, pricing: PricingUseCase, cache: Cache) -> None:
        self.pricing = pricing
        self.cache = cache

    def run(self, context: RunContext) -> None:
        """Go through all prices by sku, a chunk at a time."""
        after = ""
        while prices := self.pricing.list_prices(context.session, CHUNK, after):
            shown = [PriceView.model_validate(price) for price in prices]
            context.commit()
            self.cache.put_many(
                {f"price:{view.sku}": view.model_dump(by_alias=True) for view in shown}, KEPT
            )
            context.rows += len(shown)
            after = shown[-1].sku
            if context.stopping:
                return
